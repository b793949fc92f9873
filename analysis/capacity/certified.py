"""The highest arrival rate at which a contender meets an SLO, and what that rests on."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import median

from pydantic import Field

from analysis.capacity.estimate import Estimate, Slice, estimate
from analysis.capacity.load_points import grouped
from analysis.capacity.rate_judgement import CapacityRate, Judgement, counts, judge_rates
from analysis.read.value import Value, over
from analysis.validity.trials import JudgedTrial
from loadtests.records.experiment import Experiment, Slo
from loadtests.records.slo import pooled_outcome

BELOW_EDGE = 1.1
"""How far the interval of the edge must lie above a rate that it certifies. Of simulated
searches by 6 slices of a queue's own, up to 3 % certify a rate at the edge or above (M/D/1 and
M/M/1 whose edge lies at 53 to 94 % load, 100 to 150 searches each; the server's speed the same, or
changing by 10 % from slice to slice, which moves the edge itself); with 1.05 up to 7 %."""


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
        description="Rate at which just the SLO's share of requests is over its latency, "
        "interpolated between rates tried; null: too few slices, or none on one side of it.",
    )
    estimate_low_rps: float | None = Field(
        default=None, description="Lower end of its 95 % interval (bootstrap over slices)."
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
    speed = _Speed.of(trials, experiment)
    by_contender = grouped(trials, lambda t: t.result.contender)
    found: list[Capacity] = []
    for slo in experiment.slos:
        found += [
            capacity(name, slo, by_contender.get(name, []), experiment.seed, speed)
            for name in experiment.contenders
        ]
    return found


@dataclass(frozen=True)
class _Speed:
    """How slow the machine usually was in this run, and the step of the grid of rates. usual_us 0:
    it was not watched."""

    usual_us: float = 0.0
    step: float = 1.1

    @classmethod
    def of(cls, trials: Sequence[JudgedTrial], experiment: Experiment) -> "_Speed":
        watched = [t.result.slowness_us for t in trials if t.result.slowness_us]
        spec = experiment.capacity
        return cls(median(watched or [0.0]), spec.resolution if spec else 1.1)

    def equal_rps(self, trial: JudgedTrial) -> float:
        """The rate that would have been as much to a machine as fast as usual, by whole steps of
        the grid: what a slow machine is asked for weighs more."""
        rate_rps, slowness_us = trial.result.rate_rps or 0.0, trial.result.slowness_us
        if not slowness_us or not self.usual_us:
            return rate_rps
        steps = round(math.log(slowness_us / self.usual_us) / math.log(self.step))
        return rate_rps * self.step**steps


def capacity(
    contender: str,
    slo: Slo,
    trials: Sequence[JudgedTrial],
    seed: int = 0,
    speed: _Speed = _Speed(),
) -> Capacity:
    """The capacity of one contender; trials: its open-loop trials."""
    rates = judge_rates(trials, slo)
    slices: list[Slice] = []
    overloads: list[Slice] = []
    for t in trials:
        if t.sample and counts(t, slo):
            kept = overloads if t.result.purpose == "overload" else slices
            kept.append((speed.equal_rps(t), pooled_outcome([t.sample], slo)))
    crossing = estimate(slices, slo.percentile, seed, overloads)
    rates = [_far_below(rate, crossing) for rate in rates]
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
        estimate_rps=crossing.rps if crossing else None,
        estimate_low_rps=crossing.low_rps if crossing else None,
        estimate_high_rps=crossing.high_rps if crossing else None,
        status=CapacityStatus.NOT_MONOTONE if above else _status(rates, below, sure, met),
        errors_confirmed=sure.errors_confirmed if sure else False,
        n_requests=sure.n_requests if sure else 0,
        trial_ids=sure.trial_ids if sure else [],
        rates=rates,
    )


def _far_below(rate: CapacityRate, edge: Estimate | None) -> CapacityRate:
    """A rate that was met is certified where the whole interval of the edge lies above it."""
    sure = edge is not None and rate.rate_rps * BELOW_EDGE <= edge.low_rps
    if rate.judgement is Judgement.MET and sure:
        return rate.model_copy(update={"judgement": Judgement.CERTIFIED})
    return rate


def _last(rates: Sequence[CapacityRate], *judgements: Judgement) -> CapacityRate | None:
    return next((r for r in reversed(rates) if r.judgement in judgements), None)


def ratio_of(
    after: Capacity, before: Capacity | None
) -> tuple[float | None, float | None, float | None]:
    """Least, certified and largest ratio: a capacity lies from its certified rate up to the lowest
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
    """Of a capacity with no certified rate above the lowest one not met."""
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
