"""Better, no material difference, or not enough evidence: the one rule for every ratio."""

from collections.abc import Mapping, Sequence
from enum import StrEnum

import numpy as np
from pydantic import Field

from analysis.capacity.load_points import grouped
from analysis.compare.intervals import (
    Figures,
    Interval,
    Metric,
    log_ratios,
    slice_figures,
    t_intervals,
)
from analysis.read.value import Value
from analysis.steady.metrics import Metrics, measure
from analysis.validity.trials import JudgedTrial
from loadtests.records.experiment import Experiment
from loadtests.records.slo import mostly_saturated, pooled_outcome

MIN_ROUNDS = 3
"""Rounds below which nothing is claimed: two cannot show how far rounds differ."""


_Found = tuple[Metric, float | None, Interval | None, int]
"""A figure, its ratio, the interval of that and the number of rounds behind it."""


class Verdict(StrEnum):
    BETTER = "better"
    WORSE = "worse"
    NO_MATERIAL_DIFFERENCE = "no_material_difference"
    NOT_ENOUGH_EVIDENCE = "not_enough_evidence"


class Ratio(Value):
    """One contender over another in one figure, at one load level."""

    metric: Metric = Field(description="The figure. Of throughput more is better, else less.")
    ratio: float | None = Field(
        description="Geometric mean over the rounds that are usable of both, of times with the "
        "machine's slowness in each slice taken out; null: one states no figure."
    )
    low: float | None = Field(description="Lower end of its 95 % interval; null: no interval.")
    high: float | None = Field(description="Upper end.")
    n_rounds: int = Field(description="Rounds that are usable of both: the pairs behind it.")
    margin: float = Field(
        description="Least difference that is claimed: the experiment's, or the noise floor if "
        "larger."
    )
    verdict: Verdict = Field(description="What the interval and the margin allow one to claim.")


class MetricRatio(Value):
    """Two contenders at one load level, figure by figure."""

    ratios: list[Ratio] = Field(description="The later named over the earlier, figure by figure.")

    def of(self, metric: Metric) -> Ratio | None:
        """The ratio in one figure; None where the two have no common round."""
        return next((ratio for ratio in self.ratios if ratio.metric == metric), None)


def decide(
    metric: Metric,
    ratio: float | None,
    interval: Interval | None,
    n_rounds: int,
    margin: float,
    least: float,
) -> Verdict:
    """The verdict on a contender whose figure is ratio times the other's.

    The whole interval must lie beyond the margin, or the whole within the least difference that
    matters. A noisy machine widens the first, and not the second: it makes nothing equal.
    """
    if ratio is None or interval is None or n_rounds < MIN_ROUNDS:
        return Verdict.NOT_ENOUGH_EVIDENCE
    if 1 / (1 + least) <= interval.low and interval.high <= 1 + least:
        return Verdict.NO_MATERIAL_DIFFERENCE
    if interval.low > 1 + margin:
        return Verdict.BETTER if metric is Metric.THROUGHPUT else Verdict.WORSE
    if interval.high < 1 / (1 + margin):
        return Verdict.WORSE if metric is Metric.THROUGHPUT else Verdict.BETTER
    return Verdict.NOT_ENOUGH_EVIDENCE


class Repeats:
    """The usable slices of every contender and level, paired by round."""

    def __init__(self, judged: Sequence[JudgedTrial], experiment: Experiment) -> None:
        usable = [
            trial
            for trial in judged
            if trial.result.purpose in ("measurement", "noise")
            and trial.result.mode == "open"
            and trial.result.usable
            and trial.sample
        ]
        self._slo, self._least = experiment.slo, experiment.min_difference
        self._trials = grouped(usable, lambda t: (t.result.contender, t.result.level))
        self._found: dict[tuple[str, str, str], list[_Found]] = {}

    def common_levels(self, before: str, after: str) -> dict[float, str]:
        """Names of the load levels at which both have a usable round in common, by rate."""
        return {
            trials[0].result.rate_rps: level
            for (name, level), trials in sorted(self._trials.items())
            if name == before
            and trials[0].result.rate_rps is not None
            and self._pairs(before, after, level)
        }

    def compare(
        self, before: str, after: str, level: str, margins: Mapping[Metric, float]
    ) -> list[Ratio]:
        """Every ratio after over before at a level, paired by round; empty: no common round.
        margins: the experiment's least difference where a figure has none."""
        key = (before, after, level)
        if key not in self._found:
            self._found[key] = self._compare(*key)
        return [
            _ratio(found, margins.get(found[0], self._least), self._least)
            for found in self._found[key]
        ]

    def _compare(self, before: str, after: str, level: str) -> list[_Found]:
        pairs = self._pairs(before, after, level)
        if not pairs:
            return []
        # A machine that was slow in one of two slices is in their ratio; where it was watched in
        # all of them, that is taken out.
        watched = all(trial.result.slowness_us for pair in pairs for trial in pair)
        of_pairs = [(figures_of(a, watched), figures_of(b, watched)) for a, b in pairs]
        starts = [(a.result.startup_s, b.result.startup_s) for a, b in pairs]
        logs = log_ratios(of_pairs)
        found = t_intervals(logs, starts)
        first, second = (self._merged([pair[i] for pair in pairs]) for i in (0, 1))
        stated = {m: None not in (figure(first, m), figure(second, m)) for m in Metric}
        return [
            (
                metric,
                float(np.exp(logs[metric].mean())) if stated[metric] and metric in logs else None,
                found.get(metric),
                len(pairs),
            )
            for metric in Metric
        ]

    def _pairs(self, before: str, after: str, level: str) -> list[tuple[JudgedTrial, JudgedTrial]]:
        by_repeat = {t.result.repeat: t for t in self._trials.get((before, level), [])}
        others = {t.result.repeat: t for t in self._trials.get((after, level), [])}
        return [(by_repeat[k], others[k]) for k in sorted(by_repeat.keys() & others.keys())]

    def _merged(self, trials: Sequence[JudgedTrial]) -> Metrics:
        samples = [t.sample for t in trials if t.sample]
        metrics = measure(samples, self._slo)
        outcomes = [pooled_outcome([sample], self._slo) for sample in samples]
        return metrics.without_latency() if mostly_saturated(outcomes) else metrics


def figures_of(trial: JudgedTrial, watched: bool) -> Figures:
    """What a slice measured; watched: with times divided by how slow the machine was in it."""
    assert trial.sample is not None  # nobody compares others
    slowness = trial.result.slowness_us if watched else None
    return slice_figures(trial.sample, trial.sample.usage.server_cpu.per_s, slowness or 1.0)


def figure(metrics: Metrics, metric: Metric) -> float | None:
    """What metrics say of one figure."""
    return {
        Metric.P99: metrics.latency_p99_ms,
        Metric.P50: metrics.latency_p50_ms,
        Metric.MEAN: metrics.latency_mean_ms,
        Metric.CPU: metrics.server_cpu_s_per_1000_requests,
        Metric.THROUGHPUT: metrics.throughput_rps,
    }[metric]


def _ratio(found: _Found, margin: float, least: float) -> Ratio:
    metric, ratio, interval, n_rounds = found
    if ratio is None:
        interval = None
    return Ratio(
        metric=metric,
        ratio=ratio,
        low=interval.low if interval else None,
        high=interval.high if interval else None,
        n_rounds=n_rounds,
        margin=margin,
        verdict=decide(metric, ratio, interval, n_rounds, margin, least),
    )
