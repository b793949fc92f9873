"""Trials become points: one contender at one load level, all repeats together."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from enum import StrEnum
from typing import TypeVar

from pydantic import Field

from analysis.load import Run, Trial
from analysis.manifest import Experiment, Slo
from analysis.metrics import Metrics, measure
from analysis.sample import Sample, take_sample
from analysis.validity import (
    CEILING_SHARE,
    Effect,
    Evidence,
    Finding,
    Reason,
    judge,
    judge_failure,
    judge_sample_size,
)
from analysis.values import Value
from loadtests.records import Level, Mode

K = TypeVar("K", bound=Hashable)


class SloVerdict(StrEnum):
    MET = "met"
    NOT_MET = "not met"
    EXCLUDED = "contender is out"
    UNDECIDED = "not enough evidence"


class Ceiling(Value):
    """What the load generator reaches against a server that answers at once."""

    protocol: str = Field(description="Wire protocol.")
    contender: str = Field(description="The server that answers at once.")
    ceiling_rps: float = Field(description="Successes per second of the closed loop.")
    highest_valid_rate_rps: float = Field(description="Arrival rates above this are not used.")


class Repeat(Value):
    """One trial."""

    trial_id: str = Field(description="Name of the trial's folder.")
    repeat: int = Field(description="Which repeat it is.")
    completed: bool = Field(description="False: it failed, and findings say why.")
    startup_s: float | None = Field(description="Time from start to the first right answer.")
    metrics: Metrics | None = Field(description="What it measured; null: it failed.")
    findings: list[Finding] = Field(description="Reasons that make it unusable or limit it.")

    @property
    def usable(self) -> bool:
        return not any(finding.meaning.effect.unusable for finding in self.findings)


class Point(Value):
    """One contender at one load level."""

    contender: str = Field(description="Name of the contender.")
    level: str = Field(description="Name of the load level.")
    mode: Mode = Field(description="open (arrival rate) or closed (callers).")
    rate_rps: float | None = Field(description="Arrival rate; null in the closed loop.")
    concurrency: int | None = Field(description="Callers; null in the open loop.")
    metrics: Metrics | None = Field(
        description="Rows of the usable repeats merged; of all repeats where none is usable; "
        "null: none completed."
    )
    slo_verdict: SloVerdict | None = Field(description="null in the closed loop: not judged.")
    findings: list[Finding] = Field(description="Findings of its repeats and of the whole.")
    repeats: list[Repeat] = Field(description="The trials behind it.")

    @property
    def reasons(self) -> frozenset[Reason]:
        return frozenset(finding.reason for finding in self.findings)

    @property
    def usable(self) -> bool:
        """True where every planned repeat was measured and none is invalid."""
        return self.metrics is not None and not any(
            finding.meaning.effect.unusable for finding in self.findings
        )

    @property
    def saturated(self) -> bool:
        return Reason.SATURATED in self.reasons

    @property
    def stated_p99_ms(self) -> float | None:
        """P99 latency of a usable point; None where it was saturated or has too few rows."""
        return self.metrics.latency_p99_ms if self.usable and self.metrics else None


def ceilings(run: Run) -> list[Ceiling]:
    """The client's ceiling for each protocol that was calibrated."""
    found: dict[str, Ceiling] = {}
    for name, trials in _grouped(run.calibrations, lambda t: t.record.contender_name).items():
        samples = [take_sample(trial) for trial in trials if trial.completed]
        if not samples:
            continue
        ceiling_rps = measure(samples, run.manifest.experiment.slo).throughput_rps
        protocol = str(trials[0].record.contender["protocol"])
        found[protocol] = Ceiling(
            protocol=protocol,
            contender=name,
            ceiling_rps=ceiling_rps,
            highest_valid_rate_rps=CEILING_SHARE * ceiling_rps,
        )
    return list(found.values())


def points(run: Run, found_ceilings: Sequence[Ceiling]) -> list[Point]:
    """Every planned point, measured or not, by contender and level in the experiment's order."""
    experiment = run.manifest.experiment
    by_protocol = {ceiling.protocol: ceiling.ceiling_rps for ceiling in found_ceilings}
    trials = _grouped(run.measurements, lambda t: (t.record.contender_name, t.record.level.label))
    return [
        _point(name, level, trials.get((name, level.label), []), experiment, by_protocol)
        for name in experiment.contenders
        for level in planned_levels(experiment)
    ]


def planned_levels(experiment: Experiment) -> list[Level]:
    """The experiment's levels: arrival rates ascending, then numbers of callers ascending."""
    return [
        *(Level("open", rate_rps=rate) for rate in sorted(experiment.load.rates_rps)),
        *(Level("closed", concurrency=n) for n in sorted(experiment.load.concurrency)),
    ]


def _point(
    contender: str,
    level: Level,
    trials: Sequence[Trial],
    experiment: Experiment,
    ceiling_by_protocol: Mapping[str, float],
) -> Point:
    slo = experiment.slo
    samples = {t.record.trial_id: take_sample(t) for t in trials if t.completed}
    repeats = [
        _repeat(trial, samples.get(trial.record.trial_id), slo, ceiling_by_protocol)
        for trial in sorted(trials, key=lambda t: t.record.repeat)
    ]
    usable = [samples[repeat.trial_id] for repeat in repeats if repeat.usable]
    merged = usable or list(samples.values())
    metrics = measure(merged, slo) if merged else None
    findings = [finding for repeat in repeats for finding in repeat.findings]
    if len(repeats) < experiment.repeats:
        detail = f"{len(repeats)} of {experiment.repeats} repeats"
        findings.append(Finding(reason=Reason.NOT_MEASURED, detail=detail))
    if metrics and (too_few := judge_sample_size(metrics, slo)):
        findings.append(too_few)
    return Point(
        contender=contender,
        level=level.label,
        mode=level.mode,
        rate_rps=level.rate_rps,
        concurrency=level.concurrency,
        metrics=_stated(metrics, findings),
        slo_verdict=slo_verdict(metrics, findings, slo) if level.mode == "open" else None,
        findings=findings,
        repeats=repeats,
    )


def _repeat(
    trial: Trial, sample: Sample | None, slo: Slo, ceiling_by_protocol: Mapping[str, float]
) -> Repeat:
    record = trial.record
    metrics = measure([sample], slo) if sample else None
    if sample is None or metrics is None:
        findings = [judge_failure(record)]
    else:
        ceiling_rps = ceiling_by_protocol.get(str(record.contender["protocol"]))
        findings = list(judge(Evidence(record, sample, metrics, slo, ceiling_rps)))
    return Repeat(
        trial_id=record.trial_id,
        repeat=record.repeat,
        completed=trial.completed,
        startup_s=record.startup_s,
        metrics=_stated(metrics, findings),
        findings=findings,
    )


def _stated(metrics: Metrics | None, findings: Sequence[Finding]) -> Metrics | None:
    saturated = any(finding.reason is Reason.SATURATED for finding in findings)
    return metrics.without_latency() if metrics and saturated else metrics


def slo_verdict(metrics: Metrics | None, findings: Sequence[Finding], slo: Slo) -> SloVerdict:
    """Whether a point meets the SLO; only valid evidence decides."""
    effects = {finding.meaning.effect for finding in findings}
    reasons = {finding.reason for finding in findings}
    if Effect.EXCLUDES in effects:
        return SloVerdict.EXCLUDED
    if Effect.INVALIDATES in effects or metrics is None:
        return SloVerdict.UNDECIDED
    if reasons & {Reason.SATURATED, Reason.ERRORS}:
        return SloVerdict.NOT_MET
    if metrics.latency_slo_ms is None:
        return SloVerdict.UNDECIDED
    return SloVerdict.MET if metrics.latency_slo_ms <= slo.latency_ms else SloVerdict.NOT_MET


def _grouped(trials: Sequence[Trial], key: Callable[[Trial], K]) -> dict[K, list[Trial]]:
    groups: dict[K, list[Trial]] = {}
    for trial in trials:
        groups.setdefault(key(trial), []).append(trial)
    return groups
