"""Percentiles, one definition for every part of the study: nearest rank, and how many values a
percentile needs before it is stated."""

import numpy as np
import numpy.typing as npt
from scipy.special import betaincinv

FloatArray = npt.NDArray[np.float64]

MIN_BEYOND_PERCENTILE = 10
"""Successes that must lie beyond a percentile before it is stated: 1,000 for P99, 200 for P95."""


def least_successes(percentile: float) -> int:
    """Successes needed to state a percentile: 20 for P50, 200 for P95, 1,000 for P99."""
    return int(np.ceil(round(MIN_BEYOND_PERCENTILE / (1 - percentile / 100), 6)))


def nearest_rank(values: FloatArray, percentile: float) -> float | None:
    """The smallest observed value that percentile percent of the values do not exceed.

    An observed value, because interpolation would state a wait that nobody had.
    """
    if not len(values):
        return None
    index = rank_index(len(values), percentile)
    return float(np.partition(values, index)[index])


def rank_index(n_values: int, percentile: float) -> int:
    """Where the nearest rank of a percentile stands among n_values in order, from 0."""
    # Rounded before ceil: 10,000 x 99.9 / 100 is a little above 9,990 in floating point.
    return max(1, int(np.ceil(round(n_values * percentile / 100, 6)))) - 1


def percentile_ms(values_s: FloatArray, percentile: float) -> float | None:
    """The percentile in ms by nearest rank, or None if the sample is too small to state it."""
    if len(values_s) < least_successes(percentile):
        return None
    return in_ms(nearest_rank(values_s, percentile))


def interval_ms(
    values_s: FloatArray, percentile: float, design_effect: float
) -> tuple[float | None, float | None]:
    """The 95 % interval of a percentile in ms, by order statistics: the values at the shares that
    an exact binomial interval (Clopper-Pearson) allows. design_effect values count as one. None: so
    few values that this end is open."""
    n, share = len(values_s), percentile / 100
    n_independent = n / design_effect
    n_within = n_independent * share
    low = float(betaincinv(n_within, n_independent - n_within + 1, 0.025))
    high = float(betaincinv(n_within + 1, n_independent - n_within, 0.975))
    known_low, known_high = low * n >= 1, high * n <= n - 1
    return (
        in_ms(nearest_rank(values_s, 100 * low)) if known_low else None,
        in_ms(nearest_rank(values_s, 100 * high)) if known_high else None,
    )


def in_ms(value_s: float | None) -> float | None:
    return None if value_s is None else value_s * 1000
