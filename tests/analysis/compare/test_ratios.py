import pytest

from analysis.compare.intervals import Metric
from analysis.compare.ratios import Bound, saturations
from analysis.compare.verdicts import Verdict
from analysis.read.run import load_run
from analysis.report.summary import summarise
from analysis.report.words.bottlenecks import because


@pytest.fixture
def points(summarised):
    """Points of simulated contenders: name -> milliseconds of service a request."""
    return lambda *args: summarised(*args).points


@pytest.fixture
def summarised(new_run, contender):
    def simulate(service_ms: dict[str, float], rates_rps: list[float], repeats: int = 1):
        run = new_run(list(service_ms), rates_rps=rates_rps, steady_s=12.0, repeats=repeats)
        run.calibrate("null-http", "http-json", 4000)
        run.simulate([contender(name, ms / 1000) for name, ms in service_ms.items()])
        return summarise(load_run(run.folder))

    return simulate


def test_throughput_is_compared_where_both_are_saturated(points):
    found = points({"fastapi": 10, "triton": 5}, [100.0, 400.0])
    by_name = {s.contender: s for s in saturations(found, ["fastapi", "triton"], "fastapi")}
    assert by_name["fastapi"].saturated
    assert by_name["triton"].throughput_rps == pytest.approx(200, rel=0.03)
    assert by_name["triton"].ratio == pytest.approx(2.0, rel=0.03)
    assert by_name["triton"].bound is Bound.EXACT


def test_a_contender_never_saturated_has_only_a_lower_bound(points):
    found = points({"fastapi": 10, "triton": 0.5}, [100.0, 400.0])
    triton = saturations(found, ["fastapi", "triton"], "fastapi")[1]
    assert not triton.saturated
    assert triton.bound is Bound.AT_LEAST


def test_two_contenders_never_saturated_are_not_compared_in_throughput(points):
    found = points({"fastapi": 1, "triton": 0.5}, [100.0])
    assert [s.ratio for s in saturations(found, ["fastapi", "triton"], "fastapi")] == [None, None]


def test_the_most_is_stated_with_its_own_rate_and_the_collapse_beyond_it_apart(collapsing):
    """As fastapi-onnx was measured: 282 rps at 286, 131 at 358, 118 at 559."""
    planted = {286.0: 1 / 300, 358.0: 1 / 131, 559.0: 1 / 118}
    summary = collapsing({rate: (service_s, service_s) for rate, service_s in planted.items()})
    (found,) = summary.saturation
    assert (found.level, found.throughput_rps) == ("286rps", pytest.approx(286, rel=0.03))
    assert found.saturated
    assert (found.fall.level, found.fall.throughput_rps) == ("559rps", pytest.approx(118, rel=0.03))
    assert found.fall.offered_rps == pytest.approx(559, rel=0.03)
    (bottleneck,) = summary.bottlenecks
    assert bottleneck.level == found.level
    assert "At 559 rps it answered less: 119 of 561 rps" in because(bottleneck)


def test_a_saturated_level_has_no_latency_ratio(summarised):
    found = summarised({"fastapi": 8, "triton": 1}, [100.0, 400.0], 2).comparison
    at_100, at_400 = sorted(found, key=lambda c: c.rate_rps)
    assert at_100.of(Metric.P99).ratio < 1
    assert at_400.of(Metric.P99).ratio is None
    assert at_400.of(Metric.P99).verdict is Verdict.NOT_ENOUGH_EVIDENCE
    assert at_400.of("throughput").ratio > 2


def test_three_blocks_tell_a_faster_contender_from_a_slower_one(summarised):
    (found,) = summarised({"fastapi": 6, "triton": 2}, [100.0], 3).comparison
    assert (found.contender, found.reference, found.rate_rps) == ("triton", "fastapi", 100.0)
    for figure in (Metric.P99, Metric.P50, Metric.MEAN, Metric.CPU):
        ratio = found.of(figure)
        assert ratio.low <= ratio.ratio <= ratio.high < 1
        assert (ratio.n_rounds, ratio.verdict) == (3, Verdict.BETTER)
    assert found.of("throughput").verdict is Verdict.NO_MATERIAL_DIFFERENCE


def test_two_rounds_tell_nothing(summarised):
    (found,) = summarised({"fastapi": 6, "triton": 2}, [100.0], 2).comparison
    assert {r.verdict for r in found.ratios} == {Verdict.NOT_ENOUGH_EVIDENCE}


def test_each_step_of_the_ablation_names_its_one_change(summarised):
    steps = summarised(
        {"fastapi": 8, "fastapi-tuned": 6, "fastapi-batched": 2}, [100.0, 800.0]
    ).ablation
    assert [(s.before, s.after, s.changes) for s in steps] == [
        ("fastapi", "fastapi-tuned", ["handler"]),
        ("fastapi-tuned", "fastapi-batched", ["batching"]),
    ]
    assert steps[1].throughput_ratio == pytest.approx(3.0, rel=0.05)
    assert steps[1].rate_rps == 100.0


def test_a_step_s_gain_in_capacity_is_that_of_the_estimates(summarised):
    service_ms = {"fastapi": 4, "fastapi-onnx": 1}
    summary = summarised(service_ms, [50.0, 100.0, 400.0, 1600.0], 3)
    (step,), (over_reference,) = summary.ablation, summary.capacity_ratios
    before, after = (capacity.estimate_rps for capacity in summary.capacities)
    assert step.capacity.ratio == pytest.approx(after / before)
    assert step.capacity.low < step.capacity.ratio < step.capacity.high
    assert step.capacity == over_reference


def test_a_missing_contender_merges_two_steps_and_says_so(summarised):
    (step,) = summarised({"triton-http": 2, "hybrid": 1}, [100.0]).ablation
    assert step.changes == ["protocol", "extra_hop"]
    assert step.not_measured == ["triton"]


def test_a_contender_without_valid_points_is_no_stage(new_run, contender):
    names = ["fastapi", "fastapi-tuned", "fastapi-onnx"]
    run = new_run(names, rates_rps=[100.0], steady_s=12.0)
    run.calibrate("null-http", "http-json", 4000)
    run.simulate(
        [
            contender("fastapi", 0.005),
            contender("fastapi-tuned", 0.004, send_lag_s=0.02),
            contender("fastapi-onnx", 0.002),
        ]
    )
    (step,) = summarise(load_run(run.folder)).ablation
    assert (step.before, step.after) == ("fastapi", "fastapi-onnx")
    assert step.not_measured == ["fastapi-tuned"]


def test_a_step_without_a_p99_still_compares_the_medians(new_run, contender):
    run = new_run(["fastapi", "fastapi-tuned"], rates_rps=[50.0], steady_s=4.0, repeats=3)
    run.calibrate("null-http", "http-json", 4000)
    run.simulate([contender("fastapi", 0.004), contender("fastapi-tuned", 0.002)])
    (step,) = summarise(load_run(run.folder)).ablation
    assert step.of(Metric.P99).ratio is None  # of 600 requests
    assert (step.rate_rps, step.of(Metric.P50).verdict) == (50.0, Verdict.BETTER)
