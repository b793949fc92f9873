"""What comes of each contender beyond its capacity."""

from collections.abc import Sequence
from enum import StrEnum

from pydantic import Field

from analysis.capacity.certified import Capacity
from analysis.capacity.load_points import Point
from analysis.overload.points import OverloadPoint
from analysis.read.contenders import ContenderFacts
from analysis.read.value import Value, over
from loadtests.records.slo import is_saturated

Load = Point | OverloadPoint

KEPT = 0.8
"""Share from which goodput, or the rate of answers, counts as kept. Chosen, not derived: it names
an outcome and decides no verdict, and the shares themselves stand beside the name."""

BOUNDING_OPTIONS = ("max_in_progress", "max_queue_size", "queue_timeout_us", "deadline_ms")
"""Options of contenders that bound how many requests wait, or for how long; 0 or nothing: no
bound."""


class Outcome(StrEnum):
    """What becomes of the answers at the highest load that was tried beyond capacity."""

    KEEPS_GOODPUT = "keeps_goodput"
    ANSWERS_LATE = "answers_late"
    ANSWERS_FEWER = "answers_fewer"
    NOT_TRIED = "not_tried"


class BeyondCapacity(Value):
    """One contender at the highest load beyond its capacity: the largest multiple of the overload
    trials, else the highest arrival rate at which it was saturated."""

    contender: str = Field(description="Name of the contender.")
    outcome: Outcome = Field(
        description="keeps_goodput: at least 80 % of its capacity is answered within the SLO's "
        "latency; answers_late: not so, yet it answers at least 80 % of the most it can; "
        "answers_fewer: not even that; not_tried: nothing usable was measured above its capacity."
    )
    bounds: dict[str, str] = Field(
        description="Its options that bound how many requests wait, or for how long; empty: none."
    )
    capacity_rps: float | None = Field(
        description="Its capacity under the main SLO, by the overload trials, else the highest "
        "rate measured as met; null: none."
    )
    most_rps: float | None = Field(
        description="The most it answered per second in any usable trial; null: nothing usable."
    )
    factor: float | None = Field(description="Offered over capacity; null: not tried.")
    offered_rps: float | None = Field(description="Requests offered per second.")
    throughput_rps: float | None = Field(description="Answered per second.")
    goodput_rps: float | None = Field(description="Of those, within the SLO's latency.")
    goodput_ratio: float | None = Field(description="goodput_rps over capacity_rps.")
    throughput_ratio: float | None = Field(description="throughput_rps over most_rps.")
    overload: OverloadPoint | None = Field(
        description="The overload trials there; null: none, and a recovery was not watched."
    )


def beyond_capacity(
    contenders: Sequence[ContenderFacts],
    points: Sequence[Point],
    overloads: Sequence[OverloadPoint],
    capacities: Sequence[Capacity],
) -> list[BeyondCapacity]:
    """That of every contender. capacities: those under the main SLO."""
    met_rps = {capacity.contender: capacity.met_rps for capacity in capacities}
    return [
        _beyond(
            contender,
            [p for p in points if p.contender == contender.name and p.usable],
            [o for o in overloads if o.contender == contender.name],
            met_rps.get(contender.name),
        )
        for contender in contenders
    ]


def _beyond(
    contender: ContenderFacts,
    points: Sequence[Point],
    overloads: Sequence[OverloadPoint],
    met_rps: float | None,
) -> BeyondCapacity:
    overload = max(overloads, key=lambda o: o.factor, default=None)
    capacity_rps = overload.capacity_rps if overload else met_rps
    highest = overload or _highest_saturated(points)
    metrics = highest.metrics if highest and capacity_rps else None
    most = most_answered([*points, *overloads])
    most_rps = most.metrics.throughput_rps if most and most.metrics else None
    goodput_ratio = over(metrics.goodput_rps, capacity_rps) if metrics else None
    throughput_ratio = over(metrics.throughput_rps, most_rps) if metrics else None
    return BeyondCapacity(
        contender=contender.name,
        outcome=_outcome(goodput_ratio, throughput_ratio),
        bounds=bounds_of(contender),
        capacity_rps=capacity_rps,
        most_rps=most_rps,
        factor=over(metrics.offered_rps, capacity_rps) if metrics else None,
        offered_rps=metrics.offered_rps if metrics else None,
        throughput_rps=metrics.throughput_rps if metrics else None,
        goodput_rps=metrics.goodput_rps if metrics else None,
        goodput_ratio=goodput_ratio,
        throughput_ratio=throughput_ratio,
        overload=overload,
    )


def most_answered(loads: Sequence[Load]) -> Load | None:
    """Where a contender answered the most per second; loads: its usable ones."""
    return max((load for load in loads if load.metrics), key=_answered_rps, default=None)


def least_beyond(loads: Sequence[Load], most: Load) -> Load | None:
    """Where it answered the least under more load than the most that it answered; None: it answered
    as much everywhere."""
    beyond = [load for load in loads if load.saturated and _offered_rps(load) > _answered_rps(most)]
    least = min(beyond, key=_answered_rps, default=None)
    fell = least is not None and is_saturated(_answered_rps(least), _answered_rps(most))
    return least if fell else None


def bounds_of(contender: ContenderFacts) -> dict[str, str]:
    """The options with which a contender refuses what it has too much of."""
    given = {name: contender.options.get(name, "0") for name in BOUNDING_OPTIONS}
    return {name: value for name, value in given.items() if value not in ("0", "", "false", "None")}


def _outcome(goodput_ratio: float | None, throughput_ratio: float | None) -> Outcome:
    if goodput_ratio is None or throughput_ratio is None:
        return Outcome.NOT_TRIED
    if goodput_ratio >= KEPT:
        return Outcome.KEEPS_GOODPUT
    return Outcome.ANSWERS_LATE if throughput_ratio >= KEPT else Outcome.ANSWERS_FEWER


def _highest_saturated(points: Sequence[Point]) -> Point | None:
    return max((p for p in points if p.saturated and p.rate_rps), key=_offered_rps, default=None)


def _answered_rps(load: Load) -> float:
    return load.metrics.throughput_rps if load.metrics else 0.0


def _offered_rps(load: Load) -> float:
    return load.metrics.offered_rps if load.metrics else 0.0
