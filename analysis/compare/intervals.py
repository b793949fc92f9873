"""Ratios of two contenders with intervals: a moderated t-interval on the log ratios of rounds."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from scipy.special import digamma, polygamma, stdtrit

from analysis.read.value import over
from loadtests.records.percentiles import FloatArray, nearest_rank
from loadtests.records.steady_state import SteadyState

CONFIDENCE = 0.95

MOST_LENT = 3.0
"""Degrees of freedom that the other pairs of a run lend at most. Pairs differ in how much they
scatter, and few of them do not show by how much: simulated, more than that is too narrow for the
pair that scatters most."""


class Metric(StrEnum):
    """What two contenders are compared in."""

    P99 = "p99_latency"
    P50 = "p50_latency"
    MEAN = "mean_latency"
    CPU = "server_cpu"
    THROUGHPUT = "throughput"


Figures = Mapping[Metric, float | None]
"""What one slice measured; None: not known."""


@dataclass(frozen=True)
class Interval:
    low: float
    high: float


def slice_figures(
    steady: SteadyState, server_cpu_per_s: float | None, slowness: float = 1.0
) -> Figures:
    """The figures of one slice, times divided by the machine's slowness in it. P99 needs no minimum
    of requests here: it is not stated itself, and short slices only make its ratio less certain."""
    latency_s = steady.latency_s
    times = {
        Metric.P99: nearest_rank(latency_s, 99),
        Metric.P50: nearest_rank(latency_s, 50),
        Metric.MEAN: float(latency_s.mean()) if len(latency_s) else None,
        Metric.CPU: over(server_cpu_per_s, steady.throughput_rps),
    }
    figures: dict[Metric, float | None] = {m: over(t, slowness) for m, t in times.items()}
    return figures | {Metric.THROUGHPUT: steady.throughput_rps}


def log_ratios(pairs: Sequence[tuple[Figures, Figures]]) -> dict[Metric, FloatArray]:
    """The logarithms of second over first, pair by pair, of each figure that all of them have."""
    found = {}
    for metric in Metric:
        ratios = [over(after.get(metric), before.get(metric)) for before, after in pairs]
        known = [ratio for ratio in ratios if ratio]
        if known and len(known) == len(pairs):
            found[metric] = np.log(known)
    return found


@dataclass(frozen=True)
class Spread:
    """How much the logarithm of a ratio differs from round to round: the variance, and the degrees
    of freedom it is known with."""

    variance: float
    freedom: float


NOTHING_LENT = Spread(0.0, 0.0)


def intervals(
    pairs: Sequence[tuple[Figures, Figures]], starts: Sequence[tuple[Hashable, Hashable]] = ()
) -> dict[Metric, Interval]:
    """95 % intervals of the ratio second over first by figure, from pairs of the same rounds; empty
    for fewer than two. starts: of each pair, the start of either server.

    A round is one observation: its two slices share what the machine did, and requests within a
    slice are not independent. Of jackknife, bootstrap and this, this one was the best calibrated in
    simulation (analysis.selfcheck.coverage, docs/statistics.md), for P99 too.
    """
    return {
        metric: t_interval(each, starts)
        for metric, each in log_ratios(pairs).items()
        if len(each) >= 2
    }


def t_interval(
    log_ratios: FloatArray,
    starts: Sequence[tuple[Hashable, Hashable]] = (),
    lent: Spread = NOTHING_LENT,
) -> Interval:
    """Of the ratio whose logarithm is the mean of these. lent: what other pairs of the run know.

    The variance is the mean of its own and what is lent, weighted by degrees of freedom, and never
    below its own (a moderated t, Smyth 2004, of which only the noisier half is kept): a pair that
    scatters more than the others stays as it is.
    """
    own, middle = spread_of(log_ratios, starts), float(log_ratios.mean())
    freedom = own.freedom + lent.freedom
    mixed = (own.variance * own.freedom + lent.variance * lent.freedom) / freedom
    variance = max(own.variance, mixed) / len(log_ratios)
    half = float(stdtrit(freedom, 1 - (1 - CONFIDENCE) / 2)) * variance**0.5
    return Interval(float(np.exp(middle - half)), float(np.exp(middle + half)))


def spread_of(log_ratios: FloatArray, starts: Sequence[tuple[Hashable, Hashable]] = ()) -> Spread:
    """Of at least two rounds.

    Where both servers were started more than once, rounds with a start in common are correlated:
    the variance is the largest of that of independent rounds, of rounds clustered by either
    server's starts, and by both (Cameron, Gelbach and Miller 2011), with one degree of freedom less
    than the smaller number of starts. Simulated with 4 % between starts and 6 % between rounds (38
    rounds, 4 to 8 starts), it holds the truth in 95 of 100 runs, independent rounds alone in 62 to
    76.
    """
    n = len(log_ratios)
    apart = log_ratios - log_ratios.mean()
    variance, freedom = float((apart**2).sum()) / n / (n - 1), n - 1
    first, second = [a for a, _ in starts], [b for _, b in starts]
    n_starts = min(len(set(first)), len(set(second)))
    if n_starts > 1:
        by_first, by_second = _clustered(apart, first), _clustered(apart, second)
        by_both = by_first + by_second - _clustered(apart, starts)
        variance, freedom = max(variance, by_first, by_second, by_both), n_starts - 1
    return Spread(variance * n, freedom)


def lent_by(spreads: Sequence[Spread]) -> Spread:
    """What several pairs together say of any further one: the variance to be expected, and how many
    degrees of freedom that is worth (Smyth 2004, equations 9 and 10), at most MOST_LENT."""
    known = [each for each in spreads if each.variance > 0]
    if len(known) < 3:
        return NOTHING_LENT
    freedom = np.array([each.freedom for each in known], dtype=float)
    logs = np.log([each.variance for each in known]) - digamma(freedom / 2) + np.log(freedom / 2)
    # Of the variance of these, chance explains the second term; the more remains, the less alike.
    remains = float(logs.var(ddof=1) - polygamma(1, freedom / 2).mean())
    worth = min(MOST_LENT, 2 * _inverse_trigamma(remains)) if remains > 0 else MOST_LENT
    expected = np.exp(logs.mean() + digamma(worth / 2) - np.log(worth / 2))
    return Spread(float(expected), float(worth))


def _inverse_trigamma(value: float) -> float:
    """By Newton's method on the reciprocal (Smyth 2004, appendix)."""
    y = 0.5 + 1 / value
    for _ in range(50):
        trigamma = float(polygamma(1, y))
        y += trigamma * (1 - trigamma / value) / float(polygamma(2, y))
    return y


def _clustered(apart: FloatArray, labels: Sequence[Hashable]) -> float:
    """Variance of the mean where only values with different labels are independent."""
    numbers = {label: i for i, label in enumerate(dict.fromkeys(labels))}
    sums = np.bincount([numbers[label] for label in labels], weights=apart)
    return float(len(sums) / (len(sums) - 1) * (sums**2).sum() / len(apart) ** 2)
