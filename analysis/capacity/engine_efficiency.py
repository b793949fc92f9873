"""How near each contender comes to what its engine does alone, and to the device's own rate."""

from collections.abc import Mapping, Sequence

from pydantic import Field

from analysis.capacity.load_points import Point
from analysis.read.value import Value, over
from analysis.validity.reasons import Reason
from loadtests.records.engines import EngineFacts, engine_of
from loadtests.records.slo import is_saturated

EFFICIENCY_BUDGET = 0.9
"""Share of its engine's own rate that a server should reach at saturation (design budget, set for
Triton): what is missing goes to the front, the queue and the copies."""

_STILL_COUNTS = frozenset({Reason.SEND_LAG, Reason.CLIENT_NEAR_CEILING, Reason.DRIFT})
"""Findings that make latency unusable but leave the count of answers right."""


class EngineEfficiency(Value):
    """A contender at its highest load beside its engine alone, at the same batch and length."""

    contender: str = Field(description="Name of the contender.")
    level: str = Field(description="The load level at which it answered the most.")
    saturated_at: str | None = Field(
        description="The load level, this or a higher one, at which it was saturated; null: no "
        "higher load was tried, and the shares are lower bounds."
    )
    engine: str = Field(description="Its engine and where that runs.")
    throughput_rps: float = Field(description="Answered per second there.")
    mean_batch: float = Field(description="Mean batch there; 1 where the contender does not batch.")
    mean_padded_tokens: float = Field(description="Tokens a request there, padding included.")
    engine_rate_rps: float = Field(
        description="The engine alone at that batch and length, between those measured."
    )
    engine_share: float = Field(description="throughput_rps over engine_rate_rps.")
    best_rate_share: float | None = Field(
        default=None,
        description="throughput_rps over the engine's best rate at that length, at whatever batch "
        "size: the share of what the device can do that is used.",
    )
    flops_per_s: float | None = Field(
        description="Achieved: throughput times operations of a request of that length."
    )
    matmul_share: float | None = Field(
        description="That over the measured rate of large matrix products; null: not measured."
    )


def highest_loads(points: Sequence[Point]) -> dict[str, Point]:
    """By contender, the point at which it answered the most, of those whose counts are right."""
    best: dict[str, Point] = {}
    for point in _counted(points):
        so_far = best.get(point.contender)
        if so_far is None or _answered_rps(point) > _answered_rps(so_far):
            best[point.contender] = point
    return best


def saturated_at(points: Sequence[Point], highest: Point) -> Point | None:
    """The point that shows a contender's highest load to be the most that it can answer: that load
    itself, else the lowest one above it at which it was saturated; None: no higher load was tried.
    """
    if highest.saturated:
        return highest
    return min(_beyond(points, highest), key=_offered_rps, default=None)


def fell_at(points: Sequence[Point], highest: Point) -> Point | None:
    """Of the points with more load than the highest load answered, the one at which the contender
    answered the least; None: it answered as much at all of them."""
    least = min(_beyond(points, highest), key=_answered_rps, default=None)
    if least is None or not is_saturated(_answered_rps(least), _answered_rps(highest)):
        return None
    return least


def _counted(points: Sequence[Point]) -> list[Point]:
    return [
        point
        for point in points
        if point.metrics
        and {f.reason for f in point.findings if f.reason.unusable} <= _STILL_COUNTS
    ]


def _beyond(points: Sequence[Point], highest: Point) -> list[Point]:
    return [
        point
        for point in _counted(points)
        if point.contender == highest.contender
        and point.saturated
        and _offered_rps(point) > _answered_rps(highest)
    ]


def engine_efficiencies(
    points: Sequence[Point], engines: Sequence[EngineFacts], batching: Mapping[str, bool]
) -> list[EngineEfficiency]:
    """That of every contender whose engine was measured; batching: who batches, by name."""
    found = []
    for contender, point in highest_loads(points).items():
        engine = engine_of(engines, contender)
        stopped = saturated_at(points, point)
        efficiency = (
            _efficiency(point, stopped, engine, batching.get(contender, True)) if engine else None
        )
        if efficiency:
            found.append(efficiency)
    return found


def engine_share(point: Point, engines: Sequence[EngineFacts], batches: bool) -> float | None:
    """Share of its engine's own rate that a contender reaches at one load; None: not known."""
    engine = engine_of(engines, point.contender)
    efficiency = _efficiency(point, None, engine, batches) if engine else None
    return efficiency.engine_share if efficiency else None


def _efficiency(
    point: Point, stopped: Point | None, engine: EngineFacts, batches: bool
) -> EngineEfficiency | None:
    metrics = point.metrics
    if metrics is None or metrics.mean_padded_tokens is None:
        return None
    mean_batch = metrics.mean_batch if batches else 1.0
    if mean_batch is None:
        return None
    rate_rps = engine.rate_at(mean_batch, metrics.mean_padded_tokens)
    share = over(metrics.throughput_rps, rate_rps)
    if rate_rps is None or share is None:
        return None
    flops = engine.flops_at(metrics.mean_padded_tokens)
    achieved = None if flops is None else metrics.throughput_rps * flops
    return EngineEfficiency(
        contender=point.contender,
        level=point.level,
        saturated_at=stopped.level if stopped else None,
        engine=engine.title,
        throughput_rps=metrics.throughput_rps,
        mean_batch=mean_batch,
        mean_padded_tokens=metrics.mean_padded_tokens,
        engine_rate_rps=rate_rps,
        engine_share=share,
        best_rate_share=over(
            metrics.throughput_rps, engine.best_rate_at(metrics.mean_padded_tokens)
        ),
        flops_per_s=achieved,
        matmul_share=over(achieved, engine.matmul_flops_per_s),
    )


def _answered_rps(point: Point) -> float:
    return point.metrics.throughput_rps if point.metrics else 0.0


def _offered_rps(point: Point) -> float:
    return point.metrics.offered_rps if point.metrics else 0.0
