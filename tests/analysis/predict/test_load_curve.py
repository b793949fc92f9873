"""Latency over rate of one replica."""

from dataclasses import replace

import pytest

from analysis.capacity.load_points import Point
from analysis.predict.load_curve import (
    LEVELS,
    P99_IS_LOWER_BOUND,
    curve_of_measured,
    load_curve,
    measured_levels,
)
from analysis.predict.values import Front, PredictError, Traffic
from analysis.steady.metrics import Metrics
from analysis.validity.certificate import Check
from loadtests.records.experiment import Slo

from .curves import flat_curve, level, md1_curve
from .devices import LinearDevice


def within(latency_ms, percentile=99.0):
    return Slo(percentile=percentile, latency_ms=latency_ms)


def test_the_capacity_is_the_highest_rate_within_the_bound():
    curve = md1_curve("a", 0.01)
    capacity = curve.capacity_rps(within(50))
    assert curve.latency_s(capacity, 99) == pytest.approx(0.05, rel=0.02)
    assert curve.meets(capacity, within(50))
    assert not curve.meets(capacity * 1.02, within(50))


def test_a_bound_below_every_latency_has_no_capacity():
    assert md1_curve("a", 0.01).capacity_rps(within(9)) is None


def test_above_the_last_level_nothing_is_met():
    curve = flat_curve("a", 0.01, 100.0)
    assert curve.meets(100, within(50))
    assert not curve.meets(101, within(50))


def test_a_share_of_refused_requests_beyond_the_slo_does_not_meet_it():
    curve = flat_curve("a", 0.01, 100.0, refused_ratio=0.01)
    assert curve.capacity_rps(within(50)) is None
    assert curve.capacity_rps(Slo(latency_ms=50, max_error_ratio=0.02)) == pytest.approx(100)


def test_a_server_that_is_faster_has_the_same_latencies_at_higher_rates():
    curve = md1_curve("a", 0.01)
    assert curve.faster(1.1).capacity_rps(within(50)) == pytest.approx(
        1.1 * curve.capacity_rps(within(50))
    )


def test_a_simulated_curve_has_the_levels_below_saturation():
    curve = load_curve(
        Front("bare", 0.0, shared_cores=True),
        LinearDevice(item_s=0.01),
        Traffic.of_one_length(32),
        n_requests=5_000,
    )
    assert curve.highest_rps == pytest.approx(100)
    assert [each.rate_rps for each in curve.predicted] == pytest.approx([100 * u for u in LEVELS])
    assert curve.capacity_rps(within(50)) == pytest.approx(
        md1_curve("exact", 0.01).capacity_rps(within(50)), rel=0.05
    )


def test_a_measured_curve_says_where_it_was_measured():
    measured = [level(rate, [0.01] * 5, by="measurement") for rate in (200, 50, 100, 150)]
    curve = curve_of_measured("a", [*measured, level(400, [1.0] * 5, saturated=True)])
    assert curve.saturated_at_rps == 400
    assert [curve.was_measured_at(rate) for rate in (100, 110, 200)] == [True, True, True]
    assert [curve.was_measured_at(rate) for rate in (40, 80, 300)] == [False, False, False]
    assert curve.capacity_rps(within(50)) == pytest.approx(200)


def test_a_contender_that_never_kept_up_has_no_curve():
    with pytest.raises(PredictError, match="expected a measured rate at which a kept up"):
        curve_of_measured("a", [replace(level(100, [1.0] * 5), saturated=True)])


class LimitsOnly(str):
    """A reason that leaves a point usable."""

    unusable = False


def measured_point(findings):
    metrics = Metrics.model_construct(
        **{f"latency_p{p}_ms": ms for p, ms in ((50, 5), (90, 9), (95, 20), (99, 50))},
        **{"latency_p99_9_ms": None, "latency_mean_ms": 6, "throughput_rps": 100.0},
        **{"mean_batch": 2.0, "gpu_busy_ratio": None, "error_ratio": 0.0},
        **{"server_cpu_utilisation": 0.5},
    )
    fields = {"contender": "a", "rate_rps": 100.0, "saturated": False, "findings": findings}
    return Point.model_construct(metrics=metrics, **fields)


def test_a_p99_that_is_a_lower_bound_meets_nothing():
    short = Check.model_construct(reason=LimitsOnly(P99_IS_LOWER_BOUND))
    (found,) = measured_levels([measured_point(findings=[short])], "a")
    assert (found.p50_s, found.p99_s) == (0.005, float("inf"))
    (found,) = measured_levels([measured_point(findings=[])], "a")
    assert found.p99_s == 0.05
