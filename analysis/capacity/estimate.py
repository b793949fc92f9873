"""The rate at which a contender would just meet an SLO, with an interval: between rates tried."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import stdtrit

from loadtests.records.percentiles import FloatArray
from loadtests.records.slo import SloOutcome

LEAST_SLICES = 4
N_DRAWS = 300
CLIP = (-3.0, 5.0)
"""Log odds of a request over the bound, relative to those at the edge. Beyond these the server is
far from it on either side: how far depends on how long one watches, and decides nothing."""

Slice = tuple[float, SloOutcome]
"""Its arrival rate, and how its requests did."""


@dataclass(frozen=True)
class Estimate:
    """rps and high_rps None: the SLO was met at every rate tried, so that only a lower end is
    known."""

    rps: float | None
    low_rps: float
    high_rps: float | None


@dataclass(frozen=True)
class _Crossing:
    """The logarithm of the rate at the edge, and of the rates next to it on either side; open: the
    edge lies above the highest rate tried, which stands for it."""

    at: float
    below: float
    above: float
    open: bool = False


def estimate(
    slices: Sequence[Slice], percentile: float, seed: int, overloads: Sequence[Slice] = ()
) -> Estimate | None:
    """Where the share of requests over the bound crosses 1 - percentile, from slices at all rates;
    None: too few slices, or none below the edge.

    overloads, at which the server did not keep up, bound the edge from above where no slice does:
    they lie far off, so the lower end remains that of the slices.

    The log odds of the merged slices of each rate are made to rise with the rate, and interpolated
    in the logarithm of the rate between the last rate below the edge and the first above. The
    interval adds three errors: chance (a Bayesian bootstrap over slices: what the machine does to a
    slice it does to all its requests), interpolation (half of the step), and the step itself over
    the root of how often its ends were tried: a single slice at a wrong moment moves the edge by a
    step. It never leaves the rates that were tried, and holds the truth in about 95 of 100
    simulated runs (analysis.selfcheck.coverage). Where no rate tried lies above the edge, the
    highest stands for it: the edge lies above the lower end so found.
    """
    most_rps = max((rate_rps for rate_rps, _ in [*slices, *overloads]), default=0.0)
    found = _estimate(slices, percentile, seed, most_rps)
    if found is None or found.rps is not None or not overloads:
        return found
    bounded = _estimate([*slices, *overloads], percentile, seed, most_rps)
    if bounded is None:
        return found
    return replace(bounded, low_rps=max(found.low_rps, bounded.low_rps))


def _estimate(
    slices: Sequence[Slice], percentile: float, seed: int, most_rps: float
) -> Estimate | None:
    if len(slices) < LEAST_SLICES:
        return None
    rates_rps = [rate_rps for rate_rps, _ in slices]
    log_rates = np.log(rates_rps)
    over = np.array([outcome.n_over for _, outcome in slices], dtype=float)
    offered = np.array([outcome.n_offered for _, outcome in slices], dtype=float)
    share = 1 - percentile / 100
    found = _crossing(log_rates, over, offered, share)
    if found is None:
        return None
    weights = np.random.default_rng(seed).exponential(1, (N_DRAWS, len(slices)))
    draws = [_crossing(log_rates, over * each, offered * each, share) for each in weights]
    n_near = int(((log_rates >= found.below) & (log_rates <= found.above)).sum())
    chance = np.std([draw.at for draw in draws if draw]) * stdtrit(max(3, n_near - 1), 0.975)
    step = found.above - found.below
    half = float(np.sqrt(chance**2 + (step / 2) ** 2 + step**2 * 2 / n_near))
    return Estimate(
        rps=None if found.open else float(np.exp(found.at)),
        low_rps=max(min(rates_rps), float(np.exp(found.at - half))),
        high_rps=None if found.open else min(most_rps, float(np.exp(found.at + half))),
    )


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


def _crossing(
    log_rates: FloatArray, over: FloatArray, offered: FloatArray, share: float
) -> _Crossing | None:
    """Where the odds of the merged slices of each rate, made monotone, cross those at the edge."""
    rates, of_slice = np.unique(log_rates, return_inverse=True)
    n_over: FloatArray = np.bincount(of_slice, weights=over).astype(float)
    n: FloatArray = np.bincount(of_slice, weights=offered).astype(float)
    odds = np.log((n_over + 0.5) / (n - n_over + 0.5)) - np.log(share / (1 - share))
    rising = _monotone(np.clip(odds, *CLIP), n)
    k = int(np.searchsorted(rising, 0.0, side="right"))
    if k == 0:
        return None
    if k == len(rates):
        return _Crossing(float(rates[-1]), float(rates[max(0, k - 2)]), float(rates[-1]), open=True)
    below, above = float(rates[k - 1]), float(rates[k])
    part = -rising[k - 1] / (rising[k] - rising[k - 1])
    return _Crossing(float(below + (above - below) * part), below, above)


def _monotone(values: FloatArray, weights: FloatArray) -> FloatArray:
    """The nearest values that never fall (pool adjacent violators)."""
    pools: list[tuple[float, float, int]] = []
    for value, weight in zip(values, weights, strict=True):
        pool = (float(value), float(weight), 1)
        while pools and pools[-1][0] > pool[0]:
            before = pools.pop()
            total = before[1] + pool[1]
            mean = (before[0] * before[1] + pool[0] * pool[1]) / total
            pool = (mean, total, before[2] + pool[2])
        pools.append(pool)
    return np.concatenate([np.full(n, value) for value, _, n in pools])
