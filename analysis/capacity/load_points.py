"""Trials become points: one contender at one load level, all its slices together."""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from enum import StrEnum
from typing import TypeVar

import numpy as np
from pydantic import Field

from analysis.read.value import Value
from analysis.steady.metrics import LengthMetrics, Metrics, measure, measure_by_length
from analysis.steady.sample import Sample
from analysis.validity.certificate import (
    Check,
    certify_length,
    certify_measured,
    certify_sample_size,
)
from analysis.validity.reasons import Effect, Reason
from analysis.validity.trials import JudgedTrial
from loadtests.records.experiment import Experiment, Slo
from loadtests.records.manifest import Manifest
from loadtests.records.percentiles import interval_ms, least_successes
from loadtests.records.slo import (
    SloOutcome,
    certified,
    design_effect,
    errors_confirmed,
    memory,
    mostly_saturated,
    pooled_outcome,
)
from loadtests.records.trials import Level, Mode

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


class SloVerdict(StrEnum):
    MET = "met"
    NOT_MET = "not_met"
    EXCLUDED = "contender_out"
    UNDECIDED = "not_enough_evidence"


class Point(Value):
    """One contender at one load level."""

    contender: str = Field(description="Name of the contender.")
    level: str = Field(description="Name of the load level.")
    mode: Mode = Field(description="open (arrival rate) or closed (callers).")
    rate_rps: float | None = Field(description="Arrival rate; null in the closed loop.")
    concurrency: int | None = Field(description="Callers; null in the open loop.")
    planned: bool = Field(
        description="True: the experiment names this level. False: the capacity search chose it."
    )
    metrics: Metrics | None = Field(
        description="Rows of the usable slices merged; of all slices where none is usable; "
        "null: none completed."
    )
    by_length: list[LengthMetrics] = Field(
        description="The same latencies by length of the text; empty: saturated, or not known."
    )
    p99_low_ms: float | None = Field(
        description="Lower end of the 95 % interval of latency_p99_ms; null: P99 is not stated."
    )
    p99_high_ms: float | None = Field(
        description="Upper end; null: not stated, or open: too few requests, or slices too short "
        "for the queue (slices_too_short)."
    )
    slo_verdict: SloVerdict | None = Field(description="null in the closed loop: not judged.")
    certified: bool = Field(
        description="True: the SLO is met, and its percentile of latency lies within the bound "
        "with 95 % confidence."
    )
    errors_confirmed: bool = Field(
        description="True: the SLO's bound on errors holds with 95 % confidence as well."
    )
    certificate: list[Check] = Field(description="Checks of all slices together.")
    findings: list[Check] = Field(
        description="Failed checks of the slices behind metrics and of the whole, and what rules "
        "the contender out in any slice."
    )
    saturated: bool = Field(
        description="True: in half or more of the slices behind metrics the server did not keep up."
    )
    trial_ids: list[str] = Field(description="The trials behind metrics.")
    n_unused: int = Field(description="Further trials of this point that were not usable.")

    @property
    def reasons(self) -> frozenset[Reason]:
        return frozenset(finding.reason for finding in self.findings)

    @property
    def usable(self) -> bool:
        """True where a slice is usable, and no slice rules the contender out."""
        return self.metrics is not None and not any(
            finding.reason.unusable for finding in self.findings
        )

    @property
    def stated_p99_ms(self) -> float | None:
        """P99 latency of a usable point; None where it was saturated or has too few rows."""
        return self.metrics.latency_p99_ms if self.usable and self.metrics else None


def points(
    judged: Sequence[JudgedTrial],
    manifest: Manifest,
    noise_checks: Mapping[str, Check],
) -> list[Point]:
    """Every planned point, measured or not, and every other that the capacity search left behind,
    by contender in the experiment's order and by level. noise_checks: machine noise by level."""
    experiment = manifest.experiment
    of_study = [t for t in judged if t.result.purpose in ("measurement", "search")]
    trials = grouped(of_study, lambda t: (t.result.contender, t.result.level))
    planned = {level.label: level for level in planned_levels(experiment)}
    found = []
    for name in experiment.contenders:
        extra = {t.result.level: _level(t) for t in of_study if t.result.contender == name}
        for label, level in _ascending({**extra, **planned}):
            checks = [noise_checks[label]] if label in noise_checks else []
            group = trials.get((name, label), [])
            if label in planned:
                checks.append(certify_measured(len(group)))
            found.append(_point(name, level, group, experiment, checks, label in planned))
    return found


def planned_levels(experiment: Experiment) -> list[Level]:
    """The experiment's levels: arrival rates ascending, then numbers of callers ascending."""
    return [
        *(Level("open", rate_rps=rate) for rate in sorted(experiment.load.rates_rps)),
        *(Level("closed", concurrency=n) for n in sorted(experiment.load.concurrency)),
    ]


def grouped(items: Iterable[T], key: Callable[[T], K]) -> dict[K, list[T]]:
    """Items by key, in order."""
    groups: dict[K, list[T]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return groups


def _level(trial: JudgedTrial) -> Level:
    result = trial.result
    return Level(result.mode, result.rate_rps, result.concurrency)


def _ascending(levels: Mapping[str, Level]) -> list[tuple[str, Level]]:
    closed_last = {"open": 0, "closed": 1}

    def key(item: tuple[str, Level]) -> tuple[int, float]:
        level = item[1]
        return closed_last[level.mode], level.rate_rps or level.concurrency or 0.0

    return sorted(levels.items(), key=key)


def _point(
    contender: str,
    level: Level,
    trials: Sequence[JudgedTrial],
    experiment: Experiment,
    checks: Sequence[Check],
    planned: bool,
) -> Point:
    slo = experiment.slo
    measured = [t for t in trials if t.sample]
    behind = [t for t in measured if t.result.usable] or measured or trials
    samples = [t.sample for t in behind if t.sample]
    metrics = measure(samples, slo) if samples else None
    certificate = list(checks)
    if metrics:
        certificate.append(certify_sample_size(metrics.n_ok, slo.percentile))
    pooled = pooled_outcome(samples, slo) if samples else None
    in_open_loop = level.mode == "open"
    outcomes = [pooled_outcome([sample], slo) for sample in samples]
    saturated = in_open_loop and mostly_saturated(outcomes)
    dependence = design_effect(pooled.blocks) if pooled else 1.0
    short = None
    if metrics and in_open_loop and not saturated:
        remembers = memory(pooled.blocks) if pooled else 1.0
        short = certify_length(metrics.n_ok, len(samples), remembers)
        certificate.append(short)
    findings = [*_findings(trials, behind), *(check for check in certificate if check.failed)]
    verdict = slo_verdict(outcomes, pooled, findings, slo) if in_open_loop else None
    metrics = metrics.without_latency() if metrics and saturated else metrics
    low_ms, high_ms = _p99_interval(metrics, samples, dependence)
    if short and short.failed:
        high_ms = None
    return Point(
        contender=contender,
        level=level.label,
        mode=level.mode,
        rate_rps=level.rate_rps,
        concurrency=level.concurrency,
        planned=planned,
        metrics=metrics,
        by_length=[] if saturated or not samples else measure_by_length(samples),
        p99_low_ms=low_ms,
        p99_high_ms=high_ms,
        slo_verdict=verdict,
        certified=verdict is SloVerdict.MET and certified(outcomes, slo),
        errors_confirmed=errors_confirmed(outcomes, slo),
        certificate=certificate,
        findings=findings,
        saturated=saturated,
        trial_ids=[t.result.trial_id for t in behind],
        n_unused=len(trials) - len(behind),
    )


def _findings(trials: Sequence[JudgedTrial], behind: Sequence[JudgedTrial]) -> list[Check]:
    """The findings of a point: those of its slices, and those of any slice that exclude its
    contender."""
    return [
        finding
        for trial in trials
        for finding in trial.result.findings
        if trial in behind or finding.reason.effect is Effect.EXCLUDES
    ]


def _p99_interval(
    metrics: Metrics | None, samples: Sequence[Sample], dependence: float
) -> tuple[float | None, float | None]:
    if metrics is None or metrics.latency_p99_ms is None:
        return None, None
    latency_s = np.concatenate([sample.latency_s for sample in samples])
    return interval_ms(latency_s, 99, dependence)


def slo_verdict(
    outcomes: Sequence[SloOutcome],
    pooled: SloOutcome | None,
    findings: Sequence[Check],
    slo: Slo,
) -> SloVerdict:
    """Whether a point meets the SLO; only valid evidence decides. outcomes: slice by slice; pooled:
    of their merged requests."""
    effects = {finding.reason.effect for finding in findings}
    if Effect.EXCLUDES in effects:
        return SloVerdict.EXCLUDED
    if Effect.INVALIDATES in effects or pooled is None:
        return SloVerdict.UNDECIDED
    if mostly_saturated(outcomes) or pooled.error_ratio > slo.max_error_ratio:
        return SloVerdict.NOT_MET
    if certified(outcomes, slo):
        return SloVerdict.MET
    if pooled.n_offered - pooled.n_failed < least_successes(slo.percentile):
        return SloVerdict.UNDECIDED
    return SloVerdict.MET if pooled.met else SloVerdict.NOT_MET
