"""Did latency change while it was measured? A trend over ten slices of the window."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import kendalltau

from loadtests.records.percentiles import FloatArray

N_SLICES = 10
LEAST_PER_SLICE = 10
"""Successes below which the median of a slice says nothing."""

TREND_P = 0.005
"""Kendall's rank test over the slices' medians: a trend this unlikely by chance ..."""

CHANGE_RATIO = 1.25
"""... that also moves the median between the two halves by this factor, up or down, is a drift.
Neither alone will do: long queues wander by chance, and a large sample makes any trend certain."""


@dataclass(frozen=True)
class Drift:
    """ratio: median latency of the second half over the first's; p_value: of the trend."""

    ratio: float
    p_value: float

    @property
    def found(self) -> bool:
        return self.p_value <= TREND_P and max(self.ratio, 1 / self.ratio) >= CHANGE_RATIO


def drift(scheduled_s: FloatArray, latency_s: FloatArray, window_s: float) -> Drift | None:
    """The drift of one trial; None where a slice holds too few successes.

    scheduled_s counts from the start of the window, one value a success, as does latency_s.
    """
    slices = np.minimum((scheduled_s / window_s * N_SLICES).astype(int), N_SLICES - 1)
    if np.bincount(slices, minlength=N_SLICES).min() < LEAST_PER_SLICE:
        return None
    first, second = (latency_s[(slices < N_SLICES // 2) == half] for half in (True, False))
    ratio = float(np.median(second) / np.median(first))
    medians = [float(np.median(latency_s[slices == k])) for k in range(N_SLICES)]
    p_value = float(kendalltau(range(N_SLICES), medians).pvalue)
    # A latency that never changes has no ranks.
    return Drift(ratio, 1.0 if np.isnan(p_value) else p_value)
