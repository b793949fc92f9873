"""Contenders against the reference, and where the gain comes from. Only valid points count."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from pydantic import Field

from analysis.points import Point
from analysis.values import Value

LADDER = (
    ("fastapi", ""),
    ("fastapi-tuned", "handler"),
    ("fastapi-onnx", "engine"),
    ("litserve", "batching"),
    ("triton", "server"),
    ("hybrid", "extra hop"),
)
"""Contenders in an order in which each differs from the one before in what is named beside it."""


class Bound(StrEnum):
    """How exactly a ratio is known: a contender that never saturated has only a lower bound."""

    EXACT = "exactly"
    AT_LEAST = "at least"
    AT_MOST = "at most"


class Saturation(Value):
    """The most a contender answered per second."""

    contender: str = Field(description="Name of the contender.")
    throughput_rps: float = Field(description="Highest throughput of its valid points.")
    level: str = Field(description="The load level at which it was reached.")
    saturated: bool = Field(description="False: it was never pushed to its limit; a lower bound.")
    ratio: float | None = Field(description="Over the reference's; null: nothing known.")
    bound: Bound | None = Field(description="How exactly the ratio is known.")


class LevelRatio(Value):
    """A contender over the reference at one load level."""

    contender: str = Field(description="Name of the contender.")
    level: str = Field(description="The load level of both.")
    throughput_ratio: float | None = Field(description="Throughput; above 1 answers more.")
    latency_p99_ratio: float | None = Field(description="P99 latency; below 1 is quicker.")
    server_cpu_ratio: float | None = Field(
        description="Server CPU seconds for 1,000 requests; below 1 is cheaper."
    )


class Step(Value):
    """What one change did: a rung of the ladder over the rung before."""

    before: str = Field(description="Contender without the change.")
    after: str = Field(description="Contender with it.")
    changes: list[str] = Field(description="What differs; several where rungs are missing.")
    not_measured: list[str] = Field(description="Contenders missing between the two.")
    throughput_ratio: float | None = Field(description="Throughput at saturation, after/before.")
    throughput_bound: Bound | None = Field(description="How exactly that is known.")
    rate_rps: float | None = Field(
        description="Highest arrival rate at which both state a P99; the ratios below are there."
    )
    latency_p99_ratio: float | None = Field(description="P99 latency, after/before.")
    server_cpu_ratio: float | None = Field(
        description="Server CPU seconds for 1,000 requests, after/before."
    )


def saturations(points: Sequence[Point], contenders: Sequence[str], ref: str) -> list[Saturation]:
    """The highest valid throughput of each contender, and its ratio to the reference's."""
    best = {name: found for name in contenders if (found := _best(points, name))}
    return [
        Saturation(
            contender=name,
            throughput_rps=top.rps,
            level=top.level,
            saturated=top.saturated,
            ratio=_throughput_ratio(best.get(ref), top),
            bound=_bound(best.get(ref), top),
        )
        for name, top in best.items()
    ]


def level_ratios(points: Sequence[Point], reference: str) -> list[LevelRatio]:
    """Each contender over the reference at each level where both have a valid point."""
    base = {p.level: p for p in points if p.contender == reference and p.usable}
    return [
        LevelRatio(
            contender=point.contender,
            level=point.level,
            throughput_ratio=_over(_rps(point), _rps(base[point.level])),
            latency_p99_ratio=_over(point.stated_p99_ms, base[point.level].stated_p99_ms),
            server_cpu_ratio=_over(_cpu(point), _cpu(base[point.level])),
        )
        for point in points
        if point.usable and point.contender != reference and point.level in base
    ]


def ladder(points: Sequence[Point]) -> list[Step]:
    """The steps between the rungs that have valid points; a missing rung merges two steps."""
    measured = {point.contender for point in points if point.usable}
    rungs = [i for i, (name, _) in enumerate(LADDER) if name in measured]
    return [_step(points, before, after) for before, after in pairwise(rungs)]


def _step(points: Sequence[Point], first: int, last: int) -> Step:
    before, after = LADDER[first][0], LADDER[last][0]
    slower, faster = _best(points, before), _best(points, after)
    old, new = _by_rate(points, before), _by_rate(points, after)
    rate_rps = max(set(old) & set(new), default=None)
    p99_ratio = cpu_ratio = None
    if rate_rps is not None:
        p99_ratio = _over(new[rate_rps].stated_p99_ms, old[rate_rps].stated_p99_ms)
        cpu_ratio = _over(_cpu(new[rate_rps]), _cpu(old[rate_rps]))
    return Step(
        before=before,
        after=after,
        changes=[change for _, change in LADDER[first + 1 : last + 1]],
        not_measured=[name for name, _ in LADDER[first + 1 : last]],
        throughput_ratio=_throughput_ratio(slower, faster),
        throughput_bound=_bound(slower, faster),
        rate_rps=rate_rps,
        latency_p99_ratio=p99_ratio,
        server_cpu_ratio=cpu_ratio,
    )


@dataclass(frozen=True)
class _Top:
    rps: float
    level: str
    saturated: bool


def _best(points: Sequence[Point], contender: str) -> _Top | None:
    own = [(p, p.metrics) for p in points if p.contender == contender and p.usable]
    rates = [(metrics.throughput_rps, point.level) for point, metrics in own if metrics]
    if not rates:
        return None
    # A closed loop alone does not tell whether more callers would have got more.
    return _Top(*max(rates), saturated=any(point.saturated for point, _ in own))


def _bound(before: _Top | None, after: _Top | None) -> Bound | None:
    if before is None or after is None or not (before.saturated or after.saturated):
        return None
    if not after.saturated:
        return Bound.AT_LEAST
    return Bound.EXACT if before.saturated else Bound.AT_MOST


def _throughput_ratio(before: _Top | None, after: _Top | None) -> float | None:
    known = before and after and _bound(before, after)
    return _over(after.rps, before.rps) if known and before and after else None


def _by_rate(points: Sequence[Point], contender: str) -> Mapping[float, Point]:
    return {
        point.rate_rps: point
        for point in points
        if point.contender == contender and point.rate_rps and point.stated_p99_ms is not None
    }


def _rps(point: Point) -> float | None:
    return point.metrics.throughput_rps if point.metrics else None


def _cpu(point: Point) -> float | None:
    return point.metrics.server_cpu_s_per_1000_requests if point.metrics else None


def _over(part: float | None, whole: float | None) -> float | None:
    return part / whole if part is not None and whole else None
