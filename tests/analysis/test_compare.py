import pytest

from analysis.compare import Bound, ladder, level_ratios, saturations
from analysis.load import load_run
from analysis.summary import summarise


@pytest.fixture
def points(new_run, contender):
    """Points of simulated contenders: name -> milliseconds of service a request."""

    def simulate(service_ms: dict[str, float], rates_rps: list[float]):
        run = new_run(list(service_ms), rates_rps=rates_rps, steady_s=12.0)
        run.calibrate("null-http", "http-json", 4000)
        run.simulate([contender(name, ms / 1000) for name, ms in service_ms.items()])
        return summarise(load_run(run.folder)).points

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


def test_a_saturated_level_has_no_latency_ratio(points):
    found = points({"fastapi": 8, "triton": 1}, [100.0, 400.0])
    ratios = {r.level: r for r in level_ratios(found, "fastapi")}
    assert ratios["100rps"].latency_p99_ratio < 1
    assert ratios["400rps"].latency_p99_ratio is None
    assert ratios["400rps"].throughput_ratio > 2


def test_each_step_of_the_ladder_names_its_one_change(points):
    found = points({"fastapi": 8, "fastapi-tuned": 6, "fastapi-onnx": 2}, [100.0, 800.0])
    steps = ladder(found)
    assert [(s.before, s.after, s.changes) for s in steps] == [
        ("fastapi", "fastapi-tuned", ["handler"]),
        ("fastapi-tuned", "fastapi-onnx", ["engine"]),
    ]
    assert steps[1].throughput_ratio == pytest.approx(3.0, rel=0.05)
    assert steps[1].rate_rps == 100.0


def test_a_missing_contender_merges_two_steps_and_says_so(points):
    found = points({"fastapi-onnx": 2, "triton": 1}, [100.0])
    (step,) = ladder(found)
    assert step.changes == ["batching", "server"]
    assert step.not_measured == ["litserve"]


def test_a_contender_without_valid_points_is_no_rung(new_run, contender):
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
    (step,) = ladder(summarise(load_run(run.folder)).points)
    assert (step.before, step.after) == ("fastapi", "fastapi-onnx")
    assert step.not_measured == ["fastapi-tuned"]
