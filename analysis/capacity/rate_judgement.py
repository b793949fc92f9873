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
    """Whether n_over overruns among n_requests prove, at this confidence, that the percentile lies
    above the bound: the other side of loadtests.records.slo.certified."""
    return bool(bdtrc(n_over - 1, n_requests, 1 - percentile / 100) <= 1 - confidence)


@dataclass(frozen=True)
class _Tried:
    """The trials at one rate: the usable ones judged together, and each by itself."""

    rate_rps: float
    trials: Sequence[JudgedTrial]
    usable: Sequence[JudgedTrial]
    samples: Sequence[Sample]
    outcome: SloOutcome | None
    windows: Sequence[SloOutcome]

    @property
    def n_missed(self) -> int:
        return sum(not window.met for window in self.windows)


def judge_rates(trials: Sequence[JudgedTrial], slo: Slo) -> list[CapacityRate]:
    """Every rate, ascending. What misses the SLO at one rate does so at a higher one: windows that
    missed it are evidence there too, unless a rate between them met it."""
    by_rate = grouped(trials, lambda t: t.result.rate_rps or 0.0)
    rates, n_missed_below = [], 0
    for rate_rps in sorted(by_rate):
        tried = _tried(rate_rps, by_rate[rate_rps], slo)
        rates.append(_judge(tried, slo, n_missed_below))
        met = tried.outcome is not None and tried.outcome.met
        n_missed_below = 0 if met else n_missed_below + tried.n_missed
    return rates


def _tried(rate_rps: float, trials: Sequence[JudgedTrial], slo: Slo) -> _Tried:
    usable = [t for t in trials if counts(t, slo)]
    samples = [t.sample for t in usable if t.sample]
    windows = [pooled_outcome([sample], slo) for sample in samples]
    outcome = pooled_outcome(samples, slo) if samples else None
    return _Tried(rate_rps, trials, usable, samples, outcome, windows)


def counts(trial: JudgedTrial, slo: Slo) -> bool:
    """Whether a trial's requests count. One that drifted away beyond the SLO states no latency, but
    it missed: a queue that grows is the server's, and the longer one watches the worse it gets."""
    if trial.sample is None or not (trial.result.usable or trial.result.only_drifted):
        return False
    return trial.result.usable or not pooled_outcome([trial.sample], slo).met


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
        n_invalid=len(tried.trials) - len(tried.usable),
        trial_ids=[t.result.trial_id for t in tried.usable],
    )


def _met_as_surely(tried: _Tried, slo: Slo) -> Judgement:
    """Whether the SLO is met, as surely with as without the trials that the server may have spoilt.

    Leaving them out must not choose results: one that drifted has to agree with the others, its
    requests counted among theirs; one whose record is in doubt cannot.
    """
    doubtful = [t for t in tried.trials if t.result.server_may_be_at_fault and not counts(t, slo)]
    if tried.outcome is None or not tried.outcome.met:
        return Judgement.UNDECIDED
    if not all(t.result.only_drifted for t in doubtful):
        return Judgement.UNDECIDED
    rows = [*tried.samples, *(t.sample for t in doubtful if t.sample)]
    with_them = [pooled_outcome([sample], slo) for sample in rows]
    if not pooled_outcome(rows, slo).met:
        return Judgement.UNDECIDED
    surely = certified(tried.windows, slo) and certified(with_them, slo)
    return Judgement.CERTIFIED if surely else Judgement.MET
