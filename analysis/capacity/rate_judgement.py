"""What the trials at one arrival rate say of an SLO."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from pydantic import Field
from scipy.special import bdtrc

from analysis.capacity.load_points import grouped
from analysis.read.value import Value
from analysis.steady.sample import Sample
from analysis.validity.trials import JudgedTrial
from loadtests.records.experiment import Slo
from loadtests.records.percentiles import least_successes
from loadtests.records.slo import (
    SloOutcome,
    certified,
    errors_confirmed,
    miss_is_proven,
    mostly_saturated,
    pooled_outcome,
)


class Judgement(StrEnum):
    """What the usable requests of one rate say of one SLO."""

    CERTIFIED = "certified"
    MET = "met_not_certified"
    NOT_MET = "not_met"
    UNDECIDED = "not_enough_evidence"


class CapacityRate(Value):
    """One arrival rate that was tried."""

    rate_rps: float = Field(description="Arrival rate.")
    judgement: Judgement = Field(description="What was found there.")
    n_requests: int = Field(description="Requests of its usable trials.")
    n_over: int = Field(description="Of those, above the SLO's latency or failed.")
    errors_confirmed: bool = Field(
        default=False,
        description="True: the bound on errors holds with 95 % confidence (exact binomial bound).",
    )
    n_invalid: int = Field(description="Trials at this rate that were not used.")
    trial_ids: list[str] = Field(description="Its usable trials.")


def missed(n_requests: int, n_over: int, percentile: float, confidence: float = 0.95) -> bool:
    """Whether n_over requests over the bound, among n_requests, prove at this confidence that the
    percentile lies above it: the other side of loadtests.records.slo.certified."""
    return bool(bdtrc(n_over - 1, n_requests, 1 - percentile / 100) <= 1 - confidence)


@dataclass(frozen=True)
class SloSlice:
    """A trial and what its requests say of one SLO; outcome None: it has none."""

    trial: JudgedTrial
    outcome: SloOutcome | None

    @property
    def counts(self) -> bool:
        """Whether its requests count. One that drifted beyond the SLO states no latency, but counts
        as a miss: a growing queue is the server's fault, and a longer look would show it worse."""
        result = self.trial.result
        if self.outcome is None or not (result.usable or result.only_drifted):
            return False
        return result.usable or not self.outcome.met


def slices_under(slo: Slo, trials: Sequence[JudgedTrial]) -> list[SloSlice]:
    """Each trial, judged by itself."""
    return [SloSlice(t, pooled_outcome([t.sample], slo) if t.sample else None) for t in trials]


@dataclass(frozen=True)
class _Tried:
    """The slices at one rate: the usable ones judged together, and each by itself."""

    rate_rps: float
    slices: Sequence[SloSlice]
    usable: Sequence[SloSlice]
    samples: Sequence[Sample]
    outcome: SloOutcome | None
    windows: Sequence[SloOutcome]

    @property
    def n_missed(self) -> int:
        return sum(not window.met for window in self.windows)


def judge_rates(slices: Sequence[SloSlice], slo: Slo) -> list[CapacityRate]:
    """Every rate, ascending. What misses the SLO at one rate does so at a higher one: windows that
    missed it are evidence there too, unless a rate between them met it."""
    by_rate = grouped(slices, lambda each: each.trial.result.rate_rps or 0.0)
    rates, n_missed_below = [], 0
    for rate_rps in sorted(by_rate):
        tried = _tried(rate_rps, by_rate[rate_rps], slo)
        rates.append(_judge(tried, slo, n_missed_below))
        met = tried.outcome is not None and tried.outcome.met
        n_missed_below = 0 if met else n_missed_below + tried.n_missed
    return rates


def _tried(rate_rps: float, slices: Sequence[SloSlice], slo: Slo) -> _Tried:
    usable = [each for each in slices if each.counts]
    samples, windows = _samples(usable), _windows(usable)
    outcome = _together(samples, windows, slo)
    return _Tried(rate_rps, slices, usable, samples, outcome, windows)


def _samples(slices: Sequence[SloSlice]) -> list[Sample]:
    return [each.trial.sample for each in slices if each.trial.sample]


def _windows(slices: Sequence[SloSlice]) -> list[SloOutcome]:
    return [each.outcome for each in slices if each.outcome]


def _together(
    samples: Sequence[Sample], windows: Sequence[SloOutcome], slo: Slo
) -> SloOutcome | None:
    if len(samples) < 2:
        return windows[0] if windows else None
    return pooled_outcome(samples, slo)


def _judge(tried: _Tried, slo: Slo, n_missed_below: int) -> CapacityRate:
    outcome = tried.outcome
    n_requests = sum(s.n_offered for s in tried.samples)
    judgement, n_over = Judgement.UNDECIDED, 0
    if outcome is not None:
        n_over = outcome.n_over
        certain = n_requests >= least_successes(slo.percentile) or missed(
            n_requests, n_over, slo.percentile
        )
        if mostly_saturated(tried.windows) or (certain and not outcome.met):
            proven = miss_is_proven(tried.windows, n_missed_below)
            judgement = Judgement.NOT_MET if proven else Judgement.UNDECIDED
        else:
            judgement = _met_as_surely(tried, slo)
    return CapacityRate(
        rate_rps=tried.rate_rps,
        judgement=judgement,
        n_requests=n_requests,
        n_over=n_over,
        errors_confirmed=errors_confirmed(tried.windows, slo),
        n_invalid=len(tried.slices) - len(tried.usable),
        trial_ids=[each.trial.result.trial_id for each in tried.usable],
    )


def _met_as_surely(tried: _Tried, slo: Slo) -> Judgement:
    """Whether the SLO is met, both with and without the trials that the server may have spoilt.

    Leaving them out must not choose results. A trial that drifted must agree with the others, its
    requests counted among theirs; a trial whose record is in doubt cannot.
    """
    if tried.outcome is None or not tried.outcome.met:
        return Judgement.UNDECIDED
    doubtful = [
        each
        for each in tried.slices
        if each.trial.result.server_may_be_at_fault and not each.counts
    ]
    if not all(each.trial.result.only_drifted for each in doubtful):
        return Judgement.UNDECIDED
    everything = [*tried.usable, *doubtful]
    with_them = _windows(everything)
    together = _together(_samples(everything), with_them, slo) if doubtful else tried.outcome
    if together is None or not together.met:
        return Judgement.UNDECIDED
    surely = certified(tried.windows, slo) and certified(with_them, slo)
    return Judgement.CERTIFIED if surely else Judgement.MET
