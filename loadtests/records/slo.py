"""Did these requests meet this SLO? One rule, for the capacity search and for the analysis."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple
from typing import Protocol as Interface

import numpy as np
from scipy.special import bdtr, betainc, gammaincinv, gammaln

from loadtests.records.percentiles import FloatArray, in_ms, nearest_rank
from loadtests.records.steady_state import SteadyState, error_ratio, merged

SATURATED_BELOW = 0.95
"""Throughput below this share of the arrival rate: a backlog grows for as long as one waits."""


CONFIDENCE_A_LOOK = 0.997
"""Of one judgement whether a percentile lies within its bound. A run adds slices to a rate until it
is certified, and so looks many times: over 12 looks a server exactly at the bound is then certified
in at most 5 of 100 runs (analysis.selfcheck.coverage)."""

BLOCKS = 8
"""Parts of equal size into which the requests of a slice are cut, to see how alike neighbouring
waits are."""

LEAST_BLOCKS = 4
LEAST_SLICES = 3
LEAST_MEMORIES = 20
DEPENDENCE_QUANTILE = 0.25
"""The dependence of waits is taken from few blocks: an upper bound, which holds three times of
four, stands for it."""


class Objective(Interface):
    """What an SLO bounds: a percentile (0 to 100) of latency and the share of failed requests."""

    @property
    def percentile(self) -> float: ...
    @property
    def latency_ms(self) -> float: ...
    @property
    def max_error_ratio(self) -> float: ...


class Block(NamedTuple):
    """Successes that arrived one after the other: how many, and the sums of their latencies and of
    the squares of those."""

    n: int
    total_ms: float
    squares: float


@dataclass(frozen=True)
class SloOutcome:
    """latency_ms is at the SLO's percentile, None where nothing succeeded; n_over counts, of the
    n_offered requests, the successes above the SLO's latency and every request that failed,
    n_over_half those above half of it; blocks are BLOCKS a slice, slice by slice."""

    met: bool
    saturated: bool
    latency_ms: float | None
    error_ratio: float
    n_over: int
    n_offered: int
    n_over_half: int = 0
    blocks: tuple[Block, ...] = ()

    @property
    def n_failed(self) -> int:
        return round(self.error_ratio * self.n_offered)


def is_saturated(answered: float, offered: float) -> bool:
    """Whether so few answers (or so low a rate of them) mean that the server did not keep up."""
    return answered < SATURATED_BELOW * offered


def judge_slo(
    slo: Objective, latency_s: FloatArray, n_offered: int, n_done_in_window: int
) -> SloOutcome:
    """Judges the steady state of one trial.

    latency_s: done minus scheduled of the requests scheduled in it that succeeded, in the order in
    which they were due; n_offered: all requests scheduled in it; n_done_in_window: successes done
    within it, whenever scheduled.
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
        n_over_half=n_failed + int((latency_s * 1000 > slo.latency_ms / 2).sum()),
        blocks=_blocks(latency_s * 1000),
    )


def pooled_outcome(
    states: Sequence[SteadyState], slo: Objective, from_sending: bool = False
) -> SloOutcome:
    """judge_slo of several steady states with their requests merged; from_sending counts latency
    without the client's own delay."""
    steady = merged(states)
    waited_s = steady.service_time_s if from_sending else steady.latency_s
    outcome = judge_slo(slo, waited_s, steady.n_offered, len(steady.done_s))
    blocks = [_blocks(s.latency_s[np.argsort(s.scheduled_s, kind="stable")] * 1000) for s in states]
    return replace(outcome, blocks=tuple(block for of_slice in blocks for block in of_slice))


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


def mostly_saturated(outcomes: Sequence[SloOutcome]) -> bool:
    """Whether the server did not keep up in half or more of the slices. A stall at the end of one
    slice looks like saturation too; its late answers are counted as over."""
    return bool(outcomes) and 2 * sum(outcome.saturated for outcome in outcomes) >= len(outcomes)


def certified(outcomes: Sequence[SloOutcome], slo: Objective) -> bool:
    """Whether slices at one rate prove, with 95 % confidence, that the percentile lies within the
    bound, and as measured keep the rest of the SLO. Failed requests count as over.

    Long waits in a queue come together. So the overruns of a server exactly at the bound are
    clusters: a Poisson number of them, each of a geometric number of requests, as long as the
    dependence of the measured waits makes them. Fewer must have been seen than such a server shows
    with a probability of 1 - CONFIDENCE_A_LOOK. Equal waits need 581 requests without an
    overrun for P99 (579 by an exact binomial bound at the same confidence).

    Far below the bound, half of it tells more: where tails fall at least exponentially, as those of
    queues do, a server with 1 % over the bound has 10 % over its half. So few over the half are
    then enough, with so few over the bound as if waits were independent. A queue that begins empty
    looks shorter than it is, and one slice may be lucky: this takes LEAST_SLICES slices, each many
    times longer than its queue remembers.
    """
    n_requests = sum(outcome.n_offered for outcome in outcomes)
    n_failed = sum(outcome.n_failed for outcome in outcomes)
    if mostly_saturated(outcomes) or error_ratio(n_failed, n_requests) > slo.max_error_ratio:
        return False
    share_over = 1 - slo.percentile / 100
    dependence = design_effect([block for outcome in outcomes for block in outcome.blocks])

    def refuted(n_over: int, share: float, dependence: float) -> bool:
        chance = _chance_of_at_most(n_over, n_requests * share, dependence)
        return chance <= 1 - CONFIDENCE_A_LOOK

    n_over = sum(outcome.n_over for outcome in outcomes)
    n_over_half = sum(outcome.n_over_half for outcome in outcomes)
    n_slices = sum(len(outcome.blocks) for outcome in outcomes) // BLOCKS
    filled = n_slices >= LEAST_SLICES and n_requests >= n_slices * LEAST_MEMORIES * dependence
    return refuted(n_over, share_over, dependence) or (
        filled
        and refuted(n_over_half, share_over**0.5, dependence)
        and refuted(n_over, share_over, 1.0)
    )


def errors_confirmed(outcomes: Sequence[SloOutcome], slo: Objective) -> bool:
    """Whether slices at one rate prove with 95 % confidence that at most max_error_ratio of all
    requests fail: an exact binomial bound. At 0.1 % it needs 2,995 requests without a failure."""
    n_requests = sum(outcome.n_offered for outcome in outcomes)
    n_failed = sum(outcome.n_failed for outcome in outcomes)
    return n_requests > 0 and bool(bdtr(n_failed, n_requests, slo.max_error_ratio) <= 0.05)


def design_effect(blocks: Sequence[Block]) -> float:
    """How many waits count as one: the variance of means of neighbouring waits over what it would
    be if all were independent, at least 1. Of blocks, and of 2, 4 and BLOCKS of them in a row (a
    slice), the largest: a queue near saturation remembers for longer than a block lasts."""
    counts, totals, squares = np.array(blocks or [Block(0, 0.0, 0.0)], dtype=float).T
    n_requests = counts.sum()
    if not n_requests:
        return 1.0
    mean = totals.sum() / n_requests
    variance = squares.sum() / n_requests - mean**2
    if variance <= 1e-9 * mean**2:
        return 1.0
    found = [1.0]
    for in_a_row in (1, 2, 4, BLOCKS):
        starts = np.arange(0, len(counts), in_a_row)
        n, total = np.add.reduceat(counts, starts), np.add.reduceat(totals, starts)
        n, total = n[n > 0], total[n > 0]
        if len(n) >= LEAST_BLOCKS:
            between = float((n * (total / n - mean) ** 2).sum()) / variance
            # Few blocks may look alike by chance. Longer ones are fewer: they only raise the bound.
            freedom = len(n) - 1
            by = _chi_square(freedom, DEPENDENCE_QUANTILE) if in_a_row < 4 else freedom
            found.append(between / by)
    return float(max(found))


def memory(blocks: Sequence[Block]) -> float:
    """How many waits count as one within a slice, at least 1: design_effect of blocks (BLOCKS a
    slice) around the mean of their own slice. What differs from slice to slice, the machine's speed
    say, is no queue that is filling."""
    shape = (-1, BLOCKS)
    counts, totals, squares = (each.reshape(shape) for each in np.array(blocks, dtype=float).T)
    kept = counts.min(axis=1) > 0
    n, total = counts[kept], totals[kept]
    if not n.size:
        return 1.0
    mean = (total.sum(axis=1) / n.sum(axis=1))[:, None]
    variance = (squares[kept].sum() - (n.sum(axis=1) * mean[:, 0] ** 2).sum()) / n.sum()
    if variance <= 1e-9 * float((mean**2).mean()):
        return 1.0
    found = [1.0]
    for in_a_row in (1, 2, 4):
        parts = (len(n), BLOCKS // in_a_row, in_a_row)
        n_part, total_part = n.reshape(parts).sum(axis=2), total.reshape(parts).sum(axis=2)
        between = float((n_part * (total_part / n_part - mean) ** 2).sum()) / variance
        found.append(between / (parts[0] * (parts[1] - 1)))
    return max(found)


def _chance_of_at_most(n_over: int, expected_over: float, dependence: float) -> float:
    """P(at most n_over) of a Poisson number of geometric clusters (Polya-Aeppli) with this mean and
    with dependence as the ratio of variance to mean; 1 where more than expected were seen."""
    if n_over >= expected_over:
        return 1.0
    mean_cluster = (dependence + 1) / 2
    n_clusters = expected_over / mean_cluster
    most = min(n_over, int(n_clusters + 10 * np.sqrt(n_clusters) + 20))
    clusters = np.arange(1, most + 1)
    within = betainc(clusters, n_over - clusters + 1, 1 / mean_cluster)  # negative binomial
    log_poisson = clusters * np.log(n_clusters) - gammaln(clusters + 1) - n_clusters
    return float(np.exp(-n_clusters) + (np.exp(log_poisson) * within).sum())


def _chi_square(freedom: int, quantile: float) -> float:
    """That quantile; importing scipy.stats for it takes half a second in every command."""
    return 2 * float(gammaincinv(freedom / 2, quantile))


def _blocks(latency_ms: FloatArray) -> tuple[Block, ...]:
    edges = np.linspace(0, len(latency_ms), BLOCKS + 1).astype(int)
    total, squares = (np.concatenate([[0.0], np.cumsum(v)]) for v in (latency_ms, latency_ms**2))
    return tuple(
        Block(int(n), float(t), float(s))
        for n, t, s in zip(
            np.diff(edges), np.diff(total[edges]), np.diff(squares[edges]), strict=True
        )
    )
