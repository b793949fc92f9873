"""Ratios of two contenders with intervals: a bootstrap over blocks, and over time within them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from loadtests.records.percentiles import FloatArray

N_DRAWS = 1000
CONFIDENCE = 0.95

BIN_RATIO = 1.005
LEAST_S, MOST_S = 1e-5, 1e3
"""Latencies are counted in bins half a percent wide between these bounds: a draw then costs a sum
of histograms, however many requests there are."""

_N_BINS = int(np.ceil(np.log(MOST_S / LEAST_S) / np.log(BIN_RATIO)))


class Metric(StrEnum):
    """What two contenders are compared in."""

    P99 = "p99_latency"
    P50 = "p50_latency"
    MEAN = "mean_latency"
    CPU = "server_cpu"
    THROUGHPUT = "throughput"


@dataclass(frozen=True)
class Sliced:
    """One trial by slices of time. histogram: float64[n_slices, n_bins], successes by latency;
    the others float64[n_slices]; cpu_s None: not measured."""

    histogram: FloatArray
    latency_s: FloatArray
    n_done: FloatArray
    cpu_s: FloatArray | None
    slice_s: float

    @property
    def n_slices(self) -> int:
        return len(self.n_done)


@dataclass(frozen=True)
class Interval:
    low: float
    high: float


def cut(
    scheduled_s: FloatArray,
    latency_s: FloatArray,
    done_s: FloatArray,
    window_s: float,
    n_slices: int,
    server_cpu_s: FloatArray | None,
) -> Sliced:
    """A steady state by slices: requests by the time of arrival, answers by that of leaving.

    Times count from its start; scheduled_s and latency_s are those of successes scheduled in it,
    done_s those of successes done in it.
    """
    slice_s, last = window_s / n_slices, n_slices - 1
    of_request = np.minimum((scheduled_s / slice_s).astype(np.int64), last)
    of_answer = np.minimum((done_s / slice_s).astype(np.int64), last)
    bins = np.log(np.clip(latency_s, LEAST_S, MOST_S) / LEAST_S) / np.log(BIN_RATIO)
    flat = of_request * _N_BINS + np.minimum(bins.astype(np.int64), _N_BINS - 1)
    counts = np.bincount(flat, minlength=n_slices * _N_BINS).reshape(n_slices, _N_BINS)
    return Sliced(
        histogram=counts.astype(float),
        latency_s=np.bincount(of_request, weights=latency_s, minlength=n_slices).astype(float),
        n_done=np.bincount(of_answer, minlength=n_slices).astype(float),
        cpu_s=server_cpu_s,
        slice_s=slice_s,
    )


def intervals(
    pairs: Sequence[tuple[Sliced, Sliced]], seed: int, n_draws: int = N_DRAWS
) -> dict[Metric, Interval]:
    """95 % intervals of the ratio second over first, from pairs measured in the same blocks.

    Each draw takes blocks with replacement, and within each block slices of time with replacement,
    the same slices of both contenders: they had the same arrivals. Few blocks make a bootstrap too
    narrow: n of them drawn from n have (n - 1) / n of their variance (Hesterberg 2015, section
    4.1), so distances from the middle are widened by the root of its inverse. docs/statistics.md
    says how often the interval then holds the truth. Empty for fewer than two blocks.
    """
    if len(pairs) < 2:
        return {}
    rng = np.random.default_rng(seed)
    weights = _weights(rng, [first.n_slices for first, _ in pairs], n_draws)
    before = _drawn([first for first, _ in pairs], weights)
    after = _drawn([second for _, second in pairs], weights)
    return {
        metric: _interval(np.log(after[metric] / before[metric]), len(pairs))
        for metric in before
        if metric in after and (before[metric] > 0).all() and (after[metric] > 0).all()
    }


def _weights(
    rng: np.random.Generator, n_slices: Sequence[int], n_draws: int
) -> list[npt.NDArray[np.int64]]:
    """For each block, how often each of its slices is in each draw: int64[n_draws, n_slices]."""
    n_blocks = len(n_slices)
    times = rng.multinomial(n_blocks, np.full(n_blocks, 1 / n_blocks), size=n_draws)
    # A block drawn k times contributes k resamples of its slices, together one multinomial.
    return [
        rng.multinomial(times[:, block] * n, np.full(n, 1 / n)) for block, n in enumerate(n_slices)
    ]


def _drawn(
    blocks: Sequence[Sliced], weights: Sequence[npt.NDArray[np.int64]]
) -> Mapping[Metric, FloatArray]:
    """Each metric of one contender in each draw."""

    def total(values: Sequence[FloatArray]) -> FloatArray:
        drawn: FloatArray = sum((w @ v for w, v in zip(weights, values, strict=True)), np.zeros(1))
        return drawn

    # Most bins are empty: leaving them out makes a draw several times as quick.
    used = np.flatnonzero(np.sum([block.histogram.sum(axis=0) for block in blocks], axis=0))
    first, last = (int(used[0]), int(used[-1]) + 1) if len(used) else (0, 1)
    counts = total([block.histogram[:, first:last] for block in blocks])
    n_ok = np.maximum(counts.sum(axis=1), 1)
    n_done = np.maximum(total([block.n_done for block in blocks]), 1)
    observed_s = total([np.full(block.n_slices, block.slice_s) for block in blocks])
    found = {
        Metric.P99: _quantile(counts, 0.99, first),
        Metric.P50: _quantile(counts, 0.5, first),
        Metric.MEAN: total([block.latency_s for block in blocks]) / n_ok,
        Metric.THROUGHPUT: n_done / observed_s,
    }
    cpu_s = [block.cpu_s for block in blocks if block.cpu_s is not None]
    if len(cpu_s) == len(blocks):
        found[Metric.CPU] = total(cpu_s) / n_done
    return found


def _quantile(counts: FloatArray, share: float, first: int) -> FloatArray:
    """A quantile in seconds of each row of histograms, interpolated within its bin; first is the
    number of the first column's bin."""
    running = counts.cumsum(axis=1)
    wanted = share * running[:, -1:]
    index = np.argmax(running >= wanted, axis=1)
    row = np.arange(len(counts))
    inside = np.maximum(counts[row, index], 1)
    part = 1 - (running[row, index] - wanted[:, 0]) / inside
    return np.asarray(LEAST_S * BIN_RATIO ** (first + index + part))


def _interval(log_ratios: FloatArray, n_blocks: int) -> Interval:
    tail = (1 - CONFIDENCE) / 2
    low, middle, high = np.quantile(log_ratios, [tail, 0.5, 1 - tail])
    widening = np.sqrt(n_blocks / (n_blocks - 1))
    return Interval(
        float(np.exp(middle - widening * (middle - low))),
        float(np.exp(middle + widening * (high - middle))),
    )
