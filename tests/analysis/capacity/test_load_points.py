import pytest

from analysis.capacity.load_points import SloVerdict
from analysis.read.run import load_run
from analysis.report.summary import Summary, summarise
from analysis.validity.reasons import Reason


@pytest.fixture
def summarised(new_run, contender):
    """Contender a at 100 rps, one trial for each purpose and repeat named."""

    def build(*trials: tuple[str, int], own: float = 120.0, steady_s: float = 12.0) -> Summary:
        run = new_run(["a"], rates_rps=[100.0], repeats=2, steady_s=steady_s)
        run.calibrate("null-http", "http-json", 4000)
        run.simulate([contender("a", 0.003)])
        for folder in (run.folder / "trials").glob("a-*"):
            if ("measurement", int(folder.name[-1])) not in trials:
                folder.rename(folder.with_name(f".{folder.name}"))
        if ("search", 0) in trials:
            run.manifest["experiment"]["load"]["rates_rps"] = [own]
            run.manifest["experiment"]["rounds"] = 1
            run.simulate([contender("a", 0.003)], purpose="search")
            run.manifest["experiment"]["load"]["rates_rps"] = [100.0]
        return summarise(load_run(run.folder))

    return build


def test_a_rate_that_only_the_search_probed_is_a_point_that_was_not_planned(summarised):
    planned, probed = summarised(("measurement", 1), ("measurement", 2), ("search", 0)).points
    assert (planned.rate_rps, planned.planned) == (100.0, True)
    assert (probed.rate_rps, probed.planned) == (120.0, False)
    assert probed.usable
    assert probed.slo_verdict is SloVerdict.MET


def test_slices_at_common_rates_and_at_rates_of_their_own_are_merged(summarised):
    (point,) = summarised(("measurement", 1), ("measurement", 2), ("search", 0), own=100.0).points
    assert sorted(point.trial_ids) == ["a-100rps-1", "a-100rps-2", "search-a-100rps-1"]
    assert point.metrics.window_s == 36.0


def test_a_stated_p99_has_an_interval_that_holds_it(summarised):
    (point,) = summarised(("measurement", 1), ("measurement", 2)).points
    assert point.p99_low_ms < point.metrics.latency_p99_ms < point.p99_high_ms


def test_a_p99_that_is_not_stated_has_no_interval(summarised):
    (point,) = summarised(("measurement", 1), steady_s=6.0).points
    assert point.metrics.latency_p99_ms is None
    assert (point.p99_low_ms, point.p99_high_ms) == (None, None)


def test_the_p99_of_a_queue_that_fills_for_longer_than_a_slice_lasts_is_a_lower_bound(
    new_run, contender
):
    run = new_run(["a"], rates_rps=[60.0, 190.0], repeats=4, steady_s=6.0)
    run.simulate([contender("a", 0.005)])
    at_30_percent, at_95_percent = summarise(load_run(run.folder)).points
    assert Reason.SLICES_TOO_SHORT not in at_30_percent.reasons
    assert at_30_percent.p99_high_ms is not None
    assert Reason.SLICES_TOO_SHORT in at_95_percent.reasons
    assert at_95_percent.usable
    assert at_95_percent.p99_low_ms is not None
    assert at_95_percent.p99_high_ms is None


def test_whether_errors_are_confirmed_is_said_apart(summarised):
    (few,) = summarised(("measurement", 1), ("measurement", 2), steady_s=12.0).points
    assert (few.certified, few.errors_confirmed) == (True, False)


def test_a_bound_on_errors_is_confirmed_by_many_requests(summarised):
    (many,) = summarised(("measurement", 1), ("measurement", 2), steady_s=32.0).points
    assert (many.certified, many.errors_confirmed) == (True, True)


def test_a_point_says_the_latency_of_each_length_of_text(summarised):
    (point,) = summarised(("measurement", 1), ("measurement", 2)).points
    assert [m.bucket_tokens for m in point.by_length] == [16, 32, 64, 128]
    assert sum(m.n_ok for m in point.by_length) == point.metrics.n_ok


def test_every_trial_of_the_run_is_in_the_summary_in_its_order(summarised):
    trials = summarised(("measurement", 1), ("measurement", 2), ("search", 0)).trials
    assert sorted(t.purpose for t in trials) == [
        "calibration",
        "measurement",
        "measurement",
        "search",
    ]
    assert all(t.certificate for t in trials)
