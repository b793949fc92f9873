"""Predictions beside measurements."""

import pytest

from analysis.capacity.load_points import Point
from analysis.predict.goals import prediction_error
from analysis.steady.metrics import Metrics

from .curves import level


def measured(p50_ms=10.0, p99_ms=20.0, throughput_rps=100.0, saturated=False):
    metrics = Metrics.model_construct(
        throughput_rps=throughput_rps, latency_p50_ms=p50_ms, latency_p99_ms=p99_ms
    )
    return Point.model_construct(
        contender="a", level="100 rps", metrics=metrics, saturated=saturated
    )


def predicted(p50_ms=10.0, p99_ms=20.0, **changes):
    latencies_s = [ms / 1000 for ms in (p50_ms, 15, 17, p99_ms, 30)]
    return level(100.0, latencies_s, **changes)


def test_errors_are_relative_to_what_was_measured():
    found = prediction_error(predicted(p50_ms=11, p99_ms=16), 200, measured())
    assert found.throughput_error == pytest.approx(0)
    assert found.p50_error == pytest.approx(0.1)
    assert found.p99_error == pytest.approx(-0.2)
    assert found.load == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("highest_rps", "p99_ms", "within"),
    [(200, 21.9, True), (200, 24, False), (120, 24, True), (120, 26, False), (105, 24, None)],
)
def test_the_goal_for_the_tail_widens_with_the_load_and_ends(highest_rps, p99_ms, within):
    found = prediction_error(predicted(p99_ms=p99_ms), highest_rps, measured())
    assert found.within_goals is within


def test_beyond_saturation_only_throughput_is_compared():
    found = prediction_error(predicted(saturated=True), 95, measured(saturated=True))
    assert found.p99_error is None
    assert found.throughput_error == pytest.approx(0)


def test_what_was_not_stated_has_no_error():
    found = prediction_error(predicted(), 200, measured(p99_ms=None))
    assert found.p99_error is None
    assert found.within_goals is True


def test_where_nothing_was_measured_nothing_is_judged():
    nothing = Point.model_construct(contender="a", level="any", metrics=None, saturated=False)
    assert prediction_error(predicted(), 200, nothing).within_goals is None
