"""A prediction beside what was measured at the same rate."""

from dataclasses import dataclass
from typing import Protocol

from analysis.capacity.load_points import Point

THROUGHPUT_GOAL = 0.05
P50_GOAL = 0.10
P99_GOALS = ((0.7, 0.10), (0.9, 0.25))
"""Largest error of the P99 up to a share of the highest rate; beyond the last there is no goal."""


class AtRate(Protocol):
    """What is held against a measurement, of a prediction made before or after it."""

    @property
    def rate_rps(self) -> float: ...
    @property
    def throughput_rps(self) -> float: ...
    @property
    def p50_s(self) -> float: ...
    @property
    def p99_s(self) -> float: ...
    @property
    def saturated(self) -> bool: ...


@dataclass(frozen=True)
class PredictionError:
    """Errors are (predicted - measured) / measured; None: one of the two is not known. load: rate
    over the highest rate predicted. within_goals: None beyond the load that goals are set for."""

    contender: str
    level: str
    load: float
    predicted: AtRate
    throughput_error: float | None
    p50_error: float | None
    p99_error: float | None
    within_goals: bool | None


def prediction_error(predicted: AtRate, highest_rps: float, point: Point) -> PredictionError:
    """How far a prediction is off at one measured point."""
    metrics = point.metrics
    latencies_known = metrics is not None and not predicted.saturated and not point.saturated
    throughput = _error(predicted.throughput_rps, metrics.throughput_rps if metrics else None)
    p50 = p99 = None
    if metrics and latencies_known:
        p50 = _error(predicted.p50_s * 1000, metrics.latency_p50_ms)
        p99 = _error(predicted.p99_s * 1000, metrics.latency_p99_ms)
    load = predicted.rate_rps / highest_rps
    bounds = ((throughput, THROUGHPUT_GOAL), (p50, P50_GOAL), (p99, _p99_goal(load)))
    judged = [abs(error) <= goal for error, goal in bounds if error is not None and goal]
    return PredictionError(
        contender=point.contender,
        level=point.level,
        load=load,
        predicted=predicted,
        throughput_error=throughput,
        p50_error=p50,
        p99_error=p99,
        within_goals=all(judged) if judged and _p99_goal(load) else None,
    )


def _p99_goal(load: float) -> float | None:
    return next((goal for up_to, goal in P99_GOALS if load <= up_to), None)


def _error(predicted: float, measured: float | None) -> float | None:
    return (predicted - measured) / measured if measured else None
