"""Ratios of two contenders with intervals: a t-interval on the log ratios of rounds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from scipy.special import stdtrit

from analysis.read.value import over
from loadtests.records.percentiles import FloatArray, nearest_rank
from loadtests.records.steady_state import SteadyState

CONFIDENCE = 0.95


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
    """The figures of one slice, times divided by how slow the machine was in it. P99 has no least
    sample here: it is not stated, and of two slices with the same schedule its ratio is as right as
    that of two long ones, only less certain."""
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


def intervals(pairs: Sequence[tuple[Figures, Figures]]) -> dict[Metric, Interval]:
    """95 % intervals of the ratio second over first by figure, from pairs of the same rounds; empty
    for fewer than two.

    A round is one draw: what the machine does to both within half a minute leaves their ratio as it
    is, and requests within a slice are no independent draws. Of jackknife, bootstrap and this, this
    one was the best calibrated in simulation (analysis.selfcheck.coverage, docs/statistics.md), for
    P99 too.
    """
    if len(pairs) < 2:
        return {}
    return {metric: t_interval(logs) for metric, logs in log_ratios(pairs).items()}


def t_interval(log_ratios: FloatArray) -> Interval:
    """Of the ratio whose logarithm is the mean of these."""
    n = len(log_ratios)
    error = log_ratios.std(ddof=1) / np.sqrt(n)
    half = float(stdtrit(n - 1, 1 - (1 - CONFIDENCE) / 2) * error)
    middle = float(log_ratios.mean())
    return Interval(float(np.exp(middle - half)), float(np.exp(middle + half)))
