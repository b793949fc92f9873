"""The rate at which a contender would just meet an SLO, estimated from all its slices."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
from scipy.special import log_ndtr, ndtr

from loadtests.records.percentiles import FloatArray

LEAST_SLICES = 4

AT_THE_EDGE = -0.84
"""The normal quantile of a fifth: the share of slices that miss the SLO at the edge. Of simulated
slices of a few seconds at a rate whose P99 is just the bound, a tenth to a third do, because the
requests over it come together."""

MISSED_BY_CHANCE = 0.02
"""Share of slices that miss an SLO far below the edge, because something stopped the machine."""

SCATTERS = np.geomspace(0.01, 0.4, 14)
"""Standard deviations, in the logarithm of the rate, of where the edge lies in one slice: chance in
the queue and the machine move it."""

POWERS = np.arange(6.0)
"""By which power of the machine's slowness a slice counts as one at a higher rate: 0 where the
machine's processor does not matter, 1 where each request takes so much longer."""

N_RATES = 240
BEYOND = 1.5
"""How far beyond the rates tried edges are considered, to see whether the edge lies there."""


class Slice(NamedTuple):
    """A slice: its arrival rate, whether it met the SLO, and the machine's slowness over the
    usual."""

    rate_rps: float
    met: bool
    slowness: float = 1.0


@dataclass(frozen=True)
class Evidence:
    """The slices of one contender, whose likelihood is computed once."""

    slices: Sequence[Slice]

    @cached_property
    def log_edges(self) -> FloatArray:
        """The logarithms of the edges that are considered."""
        rates_rps = [each.rate_rps for each in self.slices]
        least, most = np.log(min(rates_rps) / BEYOND), np.log(max(rates_rps) * BEYOND)
        edges: FloatArray = np.linspace(least, most, N_RATES)
        return edges

    @cached_property
    def log_likelihood(self) -> FloatArray:
        """Of each of POWERS, SCATTERS and edges: an axis for each."""
        return _log_likelihood(self.slices, self.log_edges)


@dataclass(frozen=True)
class Estimate:
    """The estimated edge. rps and high_rps None: it may lie above every rate tried, so only a lower
    end is known."""

    rps: float | None
    low_rps: float
    high_rps: float | None


def scatter(contenders: Iterable[Evidence]) -> FloatArray:
    """The log likelihood of each of POWERS (rows) and SCATTERS (columns), from the slices of all
    contenders of a run: one contender has too few near its edge."""
    prior = -0.5 * (np.log(SCATTERS / 0.07) / 0.7) ** 2
    found = np.tile(prior, (len(POWERS), 1))
    for evidence in contenders:
        if len(evidence.slices) >= LEAST_SLICES:
            found += np.logaddexp.reduce(evidence.log_likelihood, axis=2)
    normed: FloatArray = found - np.logaddexp.reduce(found, axis=None)
    return normed


def estimate(
    evidence: Evidence, scatters: FloatArray | None = None, overloads: Sequence[Slice] = ()
) -> Estimate | None:
    """The rate at which one slice of five misses its SLO, from the slices at all rates; None: too
    few slices, or the edge may lie below every rate tried.

    overloads, at which the server did not keep up, bound the edge from above where no slice does:
    they lie far off, so the lower end remains that of the slices.

    The probability of a miss is a normal distribution function of the logarithm of the rate (probit
    regression; Finney 1947); MISSED_BY_CHANCE of the slices miss at any rate. A slow machine raises
    the rate that a slice counts as. The interval holds 95 % of the likelihood, averaged over what
    scatter gives. It never leaves the rates that were tried, and holds the truth in 87 to 100 of
    100 simulated runs (analysis.selfcheck.coverage).
    """
    if len(evidence.slices) < LEAST_SLICES:
        return None
    scatters = scatter([]) if scatters is None else scatters
    found = _estimate(evidence, scatters)
    if found is None or found.rps is not None or not overloads:
        return found
    bounded = _estimate(Evidence([*evidence.slices, *overloads]), scatters)
    return replace(bounded, low_rps=min(found.low_rps, bounded.low_rps)) if bounded else found


def _estimate(evidence: Evidence, scatters: FloatArray) -> Estimate | None:
    rates_rps = [each.rate_rps for each in evidence.slices]
    log_likelihood = evidence.log_likelihood + scatters[:, :, None]
    likelihood = np.exp(log_likelihood - log_likelihood.max()).sum(axis=(0, 1))
    below = np.cumsum(likelihood) / likelihood.sum()
    low, middle, high = np.exp(np.interp([0.025, 0.5, 0.975], below, evidence.log_edges))
    if low < min(rates_rps):
        return None
    if high > max(rates_rps):
        return Estimate(None, float(min(low, max(rates_rps))), None)
    return Estimate(float(middle), float(low), float(high))


def _log_likelihood(slices: Sequence[Slice], log_edges: FloatArray) -> FloatArray:
    found: FloatArray = np.zeros((len(POWERS), len(SCATTERS), len(log_edges)))
    for each in slices:
        log_rates = np.log(each.rate_rps) + POWERS * np.log(each.slowness)
        apart = log_rates[:, None, None] - log_edges
        beyond = AT_THE_EDGE + apart / SCATTERS[:, None]
        if each.met:
            found += log_ndtr(-beyond) + np.log1p(-MISSED_BY_CHANCE)
        else:
            found += np.log(MISSED_BY_CHANCE + (1 - MISSED_BY_CHANCE) * ndtr(beyond))
    return found


def ratio(
    after: Estimate | None, before: Estimate | None
) -> tuple[float | None, float | None, float | None]:
    """Least, middle and largest ratio of two independent estimates: on the logarithms, distances of
    both intervals are added as variances are (MOVER, Zou and Donner 2008). Where one is a lower
    end only, so is what is known of the ratio: an end of one over the opposite end of the other."""
    if after is None or before is None:
        return None, None, None
    if after.rps is None or after.high_rps is None:
        return (after.low_rps / before.high_rps if before.high_rps else None), None, None
    if before.rps is None or before.high_rps is None:
        return None, None, after.high_rps / before.low_rps
    a_low, a, a_high = np.log([after.low_rps, after.rps, after.high_rps])
    b_low, b, b_high = np.log([before.low_rps, before.rps, before.high_rps])
    down, up = np.hypot(a - a_low, b_high - b), np.hypot(a_high - a, b - b_low)
    middle = a - b
    return float(np.exp(middle - down)), float(np.exp(middle)), float(np.exp(middle + up))
