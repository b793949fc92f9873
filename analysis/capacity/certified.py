"""The highest arrival rate at which a contender meets an SLO, and what that rests on."""

import math
from collections.abc import Mapping, Sequence
from enum import StrEnum
from statistics import median

from pydantic import Field

from analysis.capacity.estimate import Estimate, Evidence, Slice, estimate, scatter
from analysis.capacity.load_points import Point, SloVerdict, grouped
from analysis.capacity.rate_judgement import (
    CapacityRate,
    Judgement,
    SloSlice,
    judge_rates,
    slices_under,
)
from analysis.read.value import Value, over
from analysis.validity.trials import JudgedTrial
from loadtests.records.experiment import Experiment, Slo

BELOW_EDGE = 1.05
"""How far the interval of the edge must lie above a rate that it certifies. Of simulated
searches (docs/capacity.md) up to 2 % certify a rate at the edge or above; with a factor of 1, up to
7 %."""


class CapacityStatus(StrEnum):
    """How well a capacity is known; from LOWER_BOUND on a rate is certified."""

    NOT_TRIED = "not_tried"
    NOT_MONOTONE = "not_monotone"
    NEVER_MET = "never_met"
    UNDECIDED = "undecided"
    MET_NOT_CERTIFIED = "met_not_certified"
    LOWER_BOUND = "lower_bound"
    MET_ABOVE = "met_above"
    MISSED_NEXT = "missed_next"
    UNDECIDED_ABOVE = "undecided_above"


class Capacity(Value):
    """What one contender sustains under one SLO; all trials of a rate are merged."""

    contender: str = Field(description="Name of the contender.")
    slo: Slo = Field(description="The objective.")
    certified_rps: float | None = Field(
        description="Highest rate certified: the SLO's percentile lies within its bound with 95 % "
        "confidence. Below every rate that was found not to meet the SLO; null: none."
    )
    met_rps: float | None = Field(
        description="Highest rate measured as met, certified or not; null: none."
    )
    not_met_rps: float | None = Field(
        description="Lowest rate found not to meet the SLO; null: none was found."
    )
    errors_confirmed: bool = Field(
        description="True: at certified_rps the bound on errors holds with 95 % confidence as "
        "well, each by itself; false: too few requests for that, and the SLO's share of errors was "
        "only not exceeded in what was measured."
    )
    certified_above_rps: float | None = Field(
        description="Highest rate certified above not_met_rps, which does not count; null: none."
    )
    estimate_rps: float | None = Field(
        default=None,
        description="Rate at which one slice of five misses the SLO, on the machine at its usual "
        "speed; null: too few slices, or it may lie beyond the rates tried.",
    )
    estimate_low_rps: float | None = Field(
        default=None,
        description="Lower end of its 95 % interval (likelihood of a probit regression).",
    )
    estimate_high_rps: float | None = Field(
        default=None, description="Upper end; null beside a lower end: met at every rate tried."
    )
    status: CapacityStatus = Field(description="How well it is known.")
    n_requests: int = Field(description="Requests behind certified_rps.")
    trial_ids: list[str] = Field(description="Trials behind certified_rps.")
    rates: list[CapacityRate] = Field(description="Every rate tried, ascending.")

    @property
    def estimate(self) -> Estimate | None:
        if self.estimate_low_rps is None:
            return None
        return Estimate(self.estimate_rps, self.estimate_low_rps, self.estimate_high_rps)

    def judged(self, rate_rps: float) -> Judgement:
        """What this says of any rate: a rate below one that met the SLO meets it too."""
        if self.certified_rps is not None and rate_rps <= self.certified_rps:
            return Judgement.CERTIFIED
        if self.not_met_rps is not None and rate_rps >= self.not_met_rps:
            return Judgement.NOT_MET
        if self.met_rps is not None and rate_rps <= self.met_rps:
            return Judgement.MET
        return Judgement.UNDECIDED

    def measured_at(self, rate_rps: float) -> bool:
        """Whether a usable trial had this very rate."""
        return any(rate.rate_rps == rate_rps and rate.trial_ids for rate in self.rates)


def capacities(judged: Sequence[JudgedTrial], experiment: Experiment) -> list[Capacity]:
    """The capacity of every contender under every SLO, the main SLO first. An overload at which a
    server did not keep up is a rate that it misses; where it did, its queue may still have grown.
    """
    trials = [
        t
        for t in judged
        if t.result.mode == "open"
        and (
            t.result.purpose in ("measurement", "search")
            or (t.result.purpose == "overload" and t.result.saturated)
        )
    ]
    by_contender = grouped(trials, lambda t: t.result.contender)
    usual_us = median([t.result.slowness_us for t in trials if t.result.slowness_us] or [0.0])
    found: list[Capacity] = []
    for slo in experiment.slos:
        tried = {name: slices_under(slo, each) for name, each in by_contender.items()}
        edges = _edges(tried, usual_us)
        found += [
            capacity(name, slo, tried.get(name, []), edges.get(name))
            for name in experiment.contenders
        ]
    return found


def _edges(tried: Mapping[str, Sequence[SloSlice]], usual_us: float) -> dict[str, Estimate | None]:
    """The estimated capacity of every contender. usual_us: how slow the machine usually was in this
    run; 0: it was not watched."""
    counted = {name: [each for each in slices if each.counts] for name, slices in tried.items()}
    evidence = {
        name: Evidence([_slice(each, usual_us) for each in slices if not _is_overload(each)])
        for name, slices in counted.items()
    }
    scatters = scatter(evidence.values())
    return {
        name: estimate(
            evidence[name],
            scatters,
            [_slice(each, usual_us) for each in slices if _is_overload(each)],
        )
        for name, slices in counted.items()
    }


def _is_overload(each: SloSlice) -> bool:
    return each.trial.result.purpose == "overload"


def _slice(each: SloSlice, usual_us: float) -> Slice:
    result = each.trial.result
    slowness = result.slowness_us / usual_us if result.slowness_us and usual_us else 1.0
    return Slice(result.rate_rps or 0.0, each.outcome is not None and each.outcome.met, slowness)


def capacity(
    contender: str, slo: Slo, slices: Sequence[SloSlice], edge: Estimate | None = None
) -> Capacity:
    """The capacity of one contender; slices: its open-loop trials; edge: its estimate."""
    rates = [_far_below(rate, edge) for rate in judge_rates(slices, slo)]
    not_met = next((r for r in rates if r.judgement is Judgement.NOT_MET), None)
    below = [r for r in rates if not_met is None or r.rate_rps < not_met.rate_rps]
    sure = _last(below, Judgement.CERTIFIED)
    met = _last(below, Judgement.CERTIFIED, Judgement.MET)
    above = _last(rates[len(below) :], Judgement.CERTIFIED)
    return Capacity(
        contender=contender,
        slo=slo,
        certified_rps=sure.rate_rps if sure else None,
        met_rps=met.rate_rps if met else None,
        not_met_rps=not_met.rate_rps if not_met else None,
        certified_above_rps=above.rate_rps if above else None,
        estimate_rps=edge.rps if edge else None,
        estimate_low_rps=edge.low_rps if edge else None,
        estimate_high_rps=edge.high_rps if edge else None,
        status=CapacityStatus.NOT_MONOTONE if above else _status(rates, below, sure, met),
        errors_confirmed=sure.errors_confirmed if sure else False,
        n_requests=sure.n_requests if sure else 0,
        trial_ids=sure.trial_ids if sure else [],
        rates=rates,
    )


def _far_below(rate: CapacityRate, edge: Estimate | None) -> CapacityRate:
    """Certifies a met rate where the whole interval of the estimate lies above it."""
    sure = edge is not None and rate.rate_rps * BELOW_EDGE <= edge.low_rps
    if rate.judgement is Judgement.MET and sure:
        return rate.model_copy(update={"judgement": Judgement.CERTIFIED})
    return rate


def _last(rates: Sequence[CapacityRate], *judgements: Judgement) -> CapacityRate | None:
    return next((r for r in reversed(rates) if r.judgement in judgements), None)


def ratio_of(
    after: Capacity, before: Capacity | None
) -> tuple[float | None, float | None, float | None]:
    """Least, certified and largest ratio, for capacities between the certified rate and the lowest
    rate found not met."""
    if before is None:
        return None, None, None
    return (
        over(after.certified_rps, before.not_met_rps),
        over(after.certified_rps, before.certified_rps),
        over(after.not_met_rps, before.certified_rps),
    )


def _status(
    rates: Sequence[CapacityRate],
    below: Sequence[CapacityRate],
    sure: CapacityRate | None,
    met: CapacityRate | None,
) -> CapacityStatus:
    """The status of a capacity without a certified rate above the lowest one not met."""
    if not rates:
        return CapacityStatus.NOT_TRIED
    if not met:
        missed_all = len(below) < len(rates)
        return CapacityStatus.NEVER_MET if missed_all else CapacityStatus.UNDECIDED
    if not sure:
        return CapacityStatus.MET_NOT_CERTIFIED
    if len(below) == len(rates):
        return CapacityStatus.LOWER_BOUND
    if met is not sure:
        return CapacityStatus.MET_ABOVE
    missed_next = below[-1] is sure
    return CapacityStatus.MISSED_NEXT if missed_next else CapacityStatus.UNDECIDED_ABOVE


def as_certified(point: Point, capacity: Capacity | None) -> Point:
    """The point, which its contender's capacity may certify where its own requests do not."""
    highest_rps = capacity.certified_rps if capacity else None
    sure = highest_rps is not None and (point.rate_rps or math.inf) <= highest_rps
    if sure and point.slo_verdict is SloVerdict.MET:
        return point.model_copy(update={"certified": True})
    return point
