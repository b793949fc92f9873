"""Better, no material difference, or not enough evidence: the one rule for every ratio."""

from collections.abc import Mapping, Sequence
from enum import StrEnum

from pydantic import Field

from analysis.capacity.load_points import grouped
from analysis.compare.bootstrap import Interval, Metric, Sliced, cut, intervals
from analysis.read.value import Value, over
from analysis.steady.metrics import Metrics, measure
from analysis.validity.trials import JudgedTrial
from loadtests.records.experiment import Slo

MIN_BLOCKS = 3
"""Blocks below which nothing is claimed: two cannot show how far repeats differ."""


_Found = tuple[Metric, float | None, Interval | None, int]
"""A figure, its ratio, the interval of that and the number of blocks behind it."""


class Verdict(StrEnum):
    BETTER = "better"
    WORSE = "worse"
    NO_MATERIAL_DIFFERENCE = "no_material_difference"
    NOT_ENOUGH_EVIDENCE = "not_enough_evidence"


class Ratio(Value):
    """One contender over another in one figure, at one load level."""

    metric: Metric = Field(description="The figure. Of throughput more is better, else less.")
    ratio: float | None = Field(
        description="Of the merged usable repeats that both have; null: one states no figure."
    )
    low: float | None = Field(description="Lower end of its 95 % interval; null: no interval.")
    high: float | None = Field(description="Upper end.")
    n_blocks: int = Field(description="Repeats that are usable of both: the pairs behind it.")
    margin: float = Field(
        description="Least difference that matters: the experiment's, or the noise floor if larger."
    )
    verdict: Verdict = Field(description="What the interval and the margin allow one to claim.")


class MetricRatio(Value):
    """Two contenders at one load level, figure by figure."""

    ratios: list[Ratio] = Field(description="The later named over the earlier, figure by figure.")

    def of(self, metric: Metric) -> Ratio | None:
        """The ratio in one figure; None where the two have no common repeat."""
        return next((ratio for ratio in self.ratios if ratio.metric == metric), None)


def decide(
    metric: Metric, ratio: float | None, interval: Interval | None, n_blocks: int, margin: float
) -> Verdict:
    """The verdict on a contender whose figure is ratio times the other's.

    The whole interval must lie beyond the margin, or the whole within it.
    """
    if ratio is None or interval is None or n_blocks < MIN_BLOCKS:
        return Verdict.NOT_ENOUGH_EVIDENCE
    least, most = 1 / (1 + margin), 1 + margin
    if least <= interval.low and interval.high <= most:
        return Verdict.NO_MATERIAL_DIFFERENCE
    if interval.low > most:
        return Verdict.BETTER if metric is Metric.THROUGHPUT else Verdict.WORSE
    if interval.high < least:
        return Verdict.WORSE if metric is Metric.THROUGHPUT else Verdict.BETTER
    return Verdict.NOT_ENOUGH_EVIDENCE


class Repeats:
    """The usable repeats of every contender and level, cut into slices once and compared often."""

    def __init__(self, judged: Sequence[JudgedTrial], slo: Slo, seed: int) -> None:
        usable = [
            trial
            for trial in judged
            if trial.result.purpose in ("measurement", "noise")
            and trial.result.mode == "open"
            and trial.result.usable
        ]
        self._slo, self._seed = slo, seed
        self._trials = grouped(usable, lambda t: (t.result.contender, t.result.level))
        self._slices: dict[str, Sliced] = {}
        self._found: dict[tuple[str, str, str], list[_Found]] = {}

    def common_levels(self, before: str, after: str) -> dict[float, str]:
        """Names of the load levels at which both have a usable repeat in common, by rate."""
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
        """Every ratio after over before at a level, paired by repeat; empty: no common repeat."""
        key = (before, after, level)
        if key not in self._found:
            self._found[key] = self._compare(*key)
        return [
            _ratio(metric, ratio, interval, n_blocks, margins.get(metric, 0.0))
            for metric, ratio, interval, n_blocks in self._found[key]
        ]

    def _compare(self, before: str, after: str, level: str) -> list[_Found]:
        pairs = self._pairs(before, after, level)
        if not pairs:
            return []
        found = intervals([(self._cut(a), self._cut(b)) for a, b in pairs], self._seed)
        first, second = (self._merged([pair[i] for pair in pairs]) for i in (0, 1))
        ratios = {metric: over(figure(second, metric), figure(first, metric)) for metric in Metric}
        return [(metric, ratio, found.get(metric), len(pairs)) for metric, ratio in ratios.items()]

    def _pairs(self, before: str, after: str, level: str) -> list[tuple[JudgedTrial, JudgedTrial]]:
        by_repeat = {t.result.repeat: t for t in self._trials.get((before, level), [])}
        others = {t.result.repeat: t for t in self._trials.get((after, level), [])}
        return [(by_repeat[k], others[k]) for k in sorted(by_repeat.keys() & others.keys())]

    def _cut(self, trial: JudgedTrial) -> Sliced:
        name = trial.result.trial_id
        if name not in self._slices and trial.sample:
            s = trial.sample
            self._slices[name] = cut(
                s.scheduled_s, s.latency_s, s.done_s, s.window_s, s.n_slices, s.server_cpu_s
            )
        return self._slices[name]

    def _merged(self, trials: Sequence[JudgedTrial]) -> Metrics:
        metrics = measure([t.sample for t in trials if t.sample], self._slo)
        saturated = any(t.result.saturated for t in trials)
        return metrics.without_latency() if saturated else metrics


def figure(metrics: Metrics, metric: Metric) -> float | None:
    """What metrics say of one figure."""
    return {
        Metric.P99: metrics.latency_p99_ms,
        Metric.P50: metrics.latency_p50_ms,
        Metric.MEAN: metrics.latency_mean_ms,
        Metric.CPU: metrics.server_cpu_s_per_1000_requests,
        Metric.THROUGHPUT: metrics.throughput_rps,
    }[metric]


def _ratio(
    metric: Metric, ratio: float | None, interval: Interval | None, n_blocks: int, margin: float
) -> Ratio:
    if ratio is None or interval is None:
        interval = None
    else:
        # The draws count latencies in bins; the ratio itself comes from the rows.
        interval = Interval(min(interval.low, ratio), max(interval.high, ratio))
    return Ratio(
        metric=metric,
        ratio=ratio,
        low=interval.low if interval else None,
        high=interval.high if interval else None,
        n_blocks=n_blocks,
        margin=margin,
        verdict=decide(metric, ratio, interval, n_blocks, margin),
    )
