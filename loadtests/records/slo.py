"""Did these requests meet this SLO? One rule, for the capacity search and for the analysis."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol as Interface

from scipy.special import bdtr

from loadtests.records.percentiles import FloatArray, in_ms, nearest_rank
from loadtests.records.steady_state import SteadyState, error_ratio, merged

SATURATED_BELOW = 0.95
"""Throughput below this share of the arrival rate: a backlog grows for as long as one waits."""


class Objective(Interface):
    """What an SLO bounds: a percentile (0 to 100) of latency and the share of failed requests."""

    @property
    def percentile(self) -> float: ...
    @property
    def latency_ms(self) -> float: ...
    @property
    def max_error_ratio(self) -> float: ...


@dataclass(frozen=True)
class SloOutcome:
    """latency_ms is at the SLO's percentile, None where nothing succeeded; n_over counts, of the
    n_offered requests, the successes above the SLO's latency and every request that failed."""

    met: bool
    saturated: bool
    latency_ms: float | None
    error_ratio: float
    n_over: int
    n_offered: int


def is_saturated(answered: float, offered: float) -> bool:
    """Whether so few answers (or so low a rate of them) mean that the server did not keep up."""
    return answered < SATURATED_BELOW * offered


def judge_slo(
    slo: Objective, latency_s: FloatArray, n_offered: int, n_done_in_window: int
) -> SloOutcome:
    """Judges the steady state of one trial, or of several with their requests merged.

    latency_s: done minus scheduled of the requests scheduled in it that succeeded; n_offered: all
    requests scheduled in it; n_done_in_window: successes done within it, whenever scheduled.
    """
    at_percentile_ms = in_ms(nearest_rank(latency_s, slo.percentile))
    n_failed = n_offered - len(latency_s)
    failed_ratio = error_ratio(n_failed, n_offered)
    saturated = is_saturated(n_done_in_window, n_offered)
    within = at_percentile_ms is not None and at_percentile_ms <= slo.latency_ms
    return SloOutcome(
        met=within and not saturated and failed_ratio <= slo.max_error_ratio,
        saturated=saturated,
        latency_ms=at_percentile_ms,
        error_ratio=failed_ratio,
        n_over=n_failed + int((latency_s * 1000 > slo.latency_ms).sum()),
        n_offered=n_offered,
    )


def pooled_outcome(
    states: Sequence[SteadyState], slo: Objective, from_sending: bool = False
) -> SloOutcome:
    """judge_slo of several steady states with their requests merged; from_sending counts latency
    without the client's own delay."""
    steady = merged(states)
    waited_s = steady.service_time_s if from_sending else steady.latency_s
    return judge_slo(slo, waited_s, steady.n_offered, len(steady.done_s))


def miss_is_proven(windows: Sequence[SloOutcome], n_missed_below: int = 0) -> bool:
    """Whether steady states at one rate, each judged by itself, show that it misses the SLO: one
    did, and another one or one of n_missed_below at lower rates; or one with more than half of its
    requests over.

    What stops a machine for a moment delays every request of that moment, and never makes an answer
    come sooner: one window with some requests over may be the machine's, two are the server's.
    """
    missed = [window for window in windows if not window.met]
    several = len(missed) + n_missed_below > 1
    return any(several or 2 * window.n_over > window.n_offered for window in missed)


def certified(n_requests: int, n_over: int, percentile: float, confidence: float = 0.95) -> bool:
    """Whether n_over overruns among n_requests prove, at this confidence, that the percentile
    lies within the bound.

    Exact binomial bound, as MLPerf's early stopping: if more than 1 - percentile of all requests
    were over, so few would be seen with a probability of at most 1 - confidence. Errors count as
    over. P99 at 95 % needs 299 requests without an overrun, or 1,000 with at most 4.
    """
    if n_requests == 0:
        return False
    return bool(bdtr(n_over, n_requests, 1 - percentile / 100) <= 1 - confidence)
