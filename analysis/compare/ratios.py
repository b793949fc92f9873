"""Contenders against the reference, and where the gain comes from. Only valid points count."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from pydantic import Field

from analysis.capacity.certified import Capacity
from analysis.capacity.estimate import ratio
from analysis.capacity.load_points import Point
from analysis.compare.aa_test import NoiseFloor, margins
from analysis.compare.ablation import AblationStep, Change, steps
from analysis.compare.intervals import Interval, Metric
from analysis.compare.verdicts import MIN_ROUNDS, MetricRatio, Ratio, Repeats, Verdict, decide
from analysis.overload.beyond import Load, least_beyond, most_answered
from analysis.read.contenders import ContenderFacts
from analysis.read.value import Value, over
from loadtests.records.experiment import Experiment, Slo


class Bound(StrEnum):
    """How exactly a ratio is known: a contender that never saturated has only a lower bound."""

    EXACT = "exact"
    AT_LEAST = "at_least"
    AT_MOST = "at_most"


class Fall(Value):
    """The least a contender answered under more load than the most that it answered."""

    throughput_rps: float = Field(description="Answered per second there.")
    offered_rps: float = Field(description="Arrival rate there, as offered.")
    level: str = Field(description="Name of that load level.")


class Saturation(Value):
    """The most a contender answered per second."""

    contender: str = Field(description="Name of the contender.")
    throughput_rps: float = Field(
        description="Highest throughput of its valid points and overloads."
    )
    level: str = Field(description="The load level at which it was reached.")
    saturated: bool = Field(description="False: it was never pushed to its limit; a lower bound.")
    fall: Fall | None = Field(
        description="The least it answered under more load; null: it answered as much at every "
        "higher load, or none was tried."
    )
    ratio: float | None = Field(description="Over the reference's; null: nothing known.")
    bound: Bound | None = Field(description="How exactly the ratio is known.")


class Comparison(MetricRatio):
    """A contender against the reference at one load level, paired by round."""

    contender: str = Field(description="Name of the contender.")
    reference: str = Field(description="The contender it is compared with.")
    level: str = Field(description="The load level of both.")
    rate_rps: float = Field(description="Arrival rate.")


class CapacityRatio(Value):
    """One contender's estimated capacity over another's, under one SLO."""

    slo: Slo = Field(description="The objective.")
    contender: str = Field(description="Name of the contender.")
    over: str = Field(description="The contender it is compared with.")
    ratio: float | None = Field(description="Of the two estimates; null: one is not known.")
    low: float | None = Field(description="Lower end of its 95 % interval; null: not known.")
    high: float | None = Field(description="Upper end; null: not known.")
    verdict: Verdict = Field(description="What the interval and the margin allow one to claim.")


class Step(MetricRatio):
    """What one change did: a contender of the ablation over the one without that change."""

    before: str = Field(description="Contender without the change.")
    after: str = Field(description="Contender with it.")
    changes: list[Change] = Field(description="What differs; several where stages are missing.")
    not_measured: list[str] = Field(description="Contenders missing between the two.")
    capacity: CapacityRatio = Field(description="The two capacities, under the main SLO.")
    throughput_ratio: float | None = Field(description="Throughput at saturation, after/before.")
    throughput_bound: Bound | None = Field(description="How exactly that is known.")
    rate_rps: float | None = Field(
        description="Highest arrival rate at which both state a P99, else a P50; the ratios are "
        "there."
    )


def saturations(loads: Sequence[Load], contenders: Sequence[str], ref: str) -> list[Saturation]:
    """The highest valid throughput of each contender, what it fell to beyond that, and its ratio to
    the reference's."""
    best = {name: found for name in contenders if (found := _best(loads, name))}
    return [
        Saturation(
            contender=name,
            throughput_rps=top.rps,
            level=top.level,
            saturated=top.saturated,
            fall=top.fall,
            ratio=_throughput_ratio(best.get(ref), top),
            bound=_bound(best.get(ref), top),
        )
        for name, top in best.items()
    ]


def comparisons(
    repeats: Repeats, floor: NoiseFloor | None, experiment: Experiment
) -> list[Comparison]:
    """Each contender over the reference at each arrival rate that both repeated."""
    found = []
    for name in experiment.contenders:
        if name == experiment.reference:
            continue
        levels = repeats.common_levels(experiment.reference, name)
        found += [
            Comparison(
                contender=name,
                reference=experiment.reference,
                level=level,
                rate_rps=rate_rps,
                ratios=repeats.compare(
                    experiment.reference,
                    name,
                    level,
                    margins(floor, level, experiment.min_difference),
                ),
            )
            for rate_rps, level in sorted(levels.items())
        ]
    return found


def capacity_ratio(after: Capacity, before: Capacity, least: float) -> CapacityRatio:
    """The verdict on the capacity of one contender over that of another; more is better."""
    low, middle, high = ratio(after.estimate, before.estimate)
    known = next((end for end in (middle, low, high) if end is not None), None)
    interval = None if known is None else Interval(low or 0.0, math.inf if high is None else high)
    return CapacityRatio(
        slo=after.slo,
        contender=after.contender,
        over=before.contender,
        ratio=middle,
        low=low,
        high=high,
        # How many slices it needs, the estimate knows.
        verdict=decide(Metric.THROUGHPUT, known, interval, MIN_ROUNDS, least, least),
    )


def capacity_ratios(
    capacities: Sequence[Capacity], reference: str, least: float
) -> list[CapacityRatio]:
    """Every contender's capacity over the reference's, SLO by SLO."""
    of_reference = [c for c in capacities if c.contender == reference]
    return [
        capacity_ratio(own, base, least)
        for base in of_reference
        for own in capacities
        if own.slo == base.slo and own.contender != reference
    ]


def ablation(
    contenders: Sequence[ContenderFacts],
    loads: Sequence[Load],
    capacities: Sequence[Capacity],
    repeats: Repeats,
    floor: NoiseFloor | None,
    experiment: Experiment,
) -> list[Step]:
    """The steps between contenders that have valid points; a missing stage merges two steps.

    capacities: those under the main SLO.
    """
    measured = {load.contender for load in loads if isinstance(load, Point) and load.usable}
    known = {capacity.contender: capacity for capacity in capacities}
    return [
        _step(loads, known, repeats, floor, experiment, step)
        for step in steps(contenders, measured)
    ]


def _step(
    loads: Sequence[Load],
    capacities: Mapping[str, Capacity],
    repeats: Repeats,
    floor: NoiseFloor | None,
    experiment: Experiment,
    step: AblationStep,
) -> Step:
    before, after = step.before.name, step.after.name
    rate_rps, ratios = _at_equal_load(before, after, repeats, floor, experiment.min_difference)
    return Step(
        before=before,
        after=after,
        changes=list(step.changes),
        not_measured=list(step.missing),
        capacity=capacity_ratio(
            capacities[after], capacities[before], experiment.least_capacity_difference
        ),
        throughput_ratio=_throughput_ratio(_best(loads, before), _best(loads, after)),
        throughput_bound=_bound(_best(loads, before), _best(loads, after)),
        rate_rps=rate_rps,
        ratios=ratios,
    )


def _at_equal_load(
    before: str, after: str, repeats: Repeats, floor: NoiseFloor | None, least: float
) -> tuple[float | None, list[Ratio]]:
    """The ratios at the highest common rate at which both state a P99, else at that at which both
    state a P50."""
    found = {
        rate_rps: repeats.compare(before, after, level, margins(floor, level, least))
        for rate_rps, level in repeats.common_levels(before, after).items()
    }
    for metric in (Metric.P99, Metric.P50):
        stated = [
            rate_rps
            for rate_rps, ratios in found.items()
            if any(each.metric is metric and each.ratio is not None for each in ratios)
        ]
        if stated:
            return max(stated), found[max(stated)]
    return None, []


@dataclass(frozen=True)
class _Top:
    rps: float
    level: str
    saturated: bool
    fall: Fall | None


def _best(loads: Sequence[Load], contender: str) -> _Top | None:
    own = [load for load in loads if load.contender == contender and load.usable]
    most = most_answered(own)
    if most is None or most.metrics is None:
        return None
    return _Top(
        rps=most.metrics.throughput_rps,
        level=most.level,
        # A closed loop alone does not tell whether more callers would have got more.
        saturated=any(load.saturated for load in own),
        fall=_fall(least_beyond(own, most)),
    )


def _fall(load: Load | None) -> Fall | None:
    if load is None or load.metrics is None:
        return None
    return Fall(
        throughput_rps=load.metrics.throughput_rps,
        offered_rps=load.metrics.offered_rps,
        level=load.level,
    )


def _bound(before: _Top | None, after: _Top | None) -> Bound | None:
    if before is None or after is None or not (before.saturated or after.saturated):
        return None
    if not after.saturated:
        return Bound.AT_LEAST
    return Bound.EXACT if before.saturated else Bound.AT_MOST


def _throughput_ratio(before: _Top | None, after: _Top | None) -> float | None:
    known = before and after and _bound(before, after)
    return over(after.rps, before.rps) if known and before and after else None
