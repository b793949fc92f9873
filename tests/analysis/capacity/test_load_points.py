import pytest

from analysis.capacity.load_points import SloVerdict
from analysis.read.run import load_run
from analysis.report.summary import Summary, summarise
from analysis.validity.reasons import Reason


@pytest.fixture
def summarised(new_run, contender):
    """Contender a at 100 rps, one trial for each purpose and repeat named."""

    def build(*trials: tuple[str, int], repeats: int = 2, **changes) -> Summary:
        run = new_run(["a"], rates_rps=[100.0], repeats=repeats, steady_s=12.0, **changes)
        run.calibrate("null-http", "http-json", 4000)
        run.simulate([contender("a", 0.003)])
        for folder in (run.folder / "trials").glob("a-*"):
            if ("measurement", int(folder.name[-1])) not in trials:
                folder.rename(folder.with_name(f".{folder.name}"))
        if ("search", 0) in trials:
            run.manifest["experiment"]["load"]["rates_rps"] = [120.0]
            run.manifest["experiment"]["repeats"] = 1
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


def test_a_missing_repeat_decides_nothing(summarised):
    (point,) = summarised(("measurement", 1)).points
    assert point.reasons == {Reason.NOT_MEASURED}


def test_a_repeat_that_the_time_budget_dropped_is_not_missing(summarised):
    entry = {"purpose": "measurement", "repeat": 2, "contender": None, "detail": "no time left"}
    (point,) = summarised(("measurement", 1), dropped=[entry]).points
    assert point.reasons == set()
    assert point.slo_verdict is SloVerdict.MET


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
