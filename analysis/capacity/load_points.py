"""Trials become points: one contender at one load level, all repeats together."""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from enum import StrEnum
from typing import TypeVar

from pydantic import Field

from analysis.read.value import Value
from analysis.steady.metrics import LengthMetrics, Metrics, measure, measure_by_length
from analysis.validity.certificate import Check, certify_repeats, certify_sample_size
from analysis.validity.reasons import Effect, Reason
from analysis.validity.trials import JudgedTrial
from loadtests.records.experiment import Experiment, Slo
from loadtests.records.manifest import Manifest
from loadtests.records.percentiles import least_successes
from loadtests.records.slo import SloOutcome, certified, pooled_outcome
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
        description="Rows of the usable repeats merged; of all repeats where none is usable; "
        "null: none completed."
    )
    by_length: list[LengthMetrics] = Field(
        description="The same latencies by length of the text; empty: saturated, or not known."
    )
    slo_verdict: SloVerdict | None = Field(description="null in the closed loop: not judged.")
    certified: bool = Field(
        description="True: the SLO is met, and the binomial bound says so with 95 % confidence."
    )
    certificate: list[Check] = Field(description="Checks of all repeats together.")
    findings: list[Check] = Field(description="Failed checks of its trials and of the whole.")
    saturated: bool = Field(
        description="True: in one of the trials behind metrics the server did not keep up."
    )
    trial_ids: list[str] = Field(description="The trials behind it.")

    @property
    def reasons(self) -> frozenset[Reason]:
        return frozenset(finding.reason for finding in self.findings)

    @property
    def usable(self) -> bool:
        """True where every planned repeat was measured and none is invalid."""
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
            group = _deciding(trials.get((name, label), []))
            checks = [noise_checks[label]] if label in noise_checks else []
            if label in planned:
                n_repeats = sum(t.result.purpose == "measurement" for t in group)
                checks.append(certify_repeats(n_repeats, manifest.planned_repeats(name)))
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


def _deciding(trials: Sequence[JudgedTrial]) -> list[JudgedTrial]:
    """The repeats; only where there is none, the probes of the capacity search."""
    repeats = [t for t in trials if t.result.purpose == "measurement"]
    return sorted(repeats or trials, key=lambda t: (t.result.repeat, t.result.order))


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
    behind = [t for t in measured if t.result.usable] or measured
    merged = [t.sample for t in behind if t.sample]
    metrics = measure(merged, slo) if merged else None
    certificate = list(checks)
    if metrics:
        certificate.append(certify_sample_size(metrics.n_ok, slo.percentile))
    findings = [finding for t in trials for finding in t.result.findings]
    findings += [check for check in certificate if check.failed]
    outcome = pooled_outcome(merged, slo) if merged and level.mode == "open" else None
    verdict = slo_verdict(metrics, outcome, findings, slo) if level.mode == "open" else None
    saturated = any(t.result.saturated for t in behind)
    return Point(
        contender=contender,
        level=level.label,
        mode=level.mode,
        rate_rps=level.rate_rps,
        concurrency=level.concurrency,
        planned=planned,
        metrics=metrics.without_latency() if metrics and saturated else metrics,
        by_length=[] if saturated or not merged else measure_by_length(merged),
        slo_verdict=verdict,
        certified=verdict is SloVerdict.MET and _certified(metrics, outcome, slo),
        certificate=certificate,
        findings=findings,
        saturated=saturated,
        trial_ids=[t.result.trial_id for t in trials],
    )


def slo_verdict(
    metrics: Metrics | None, outcome: SloOutcome | None, findings: Sequence[Check], slo: Slo
) -> SloVerdict:
    """Whether a point meets the SLO; only valid evidence decides."""
    effects = {finding.reason.effect for finding in findings}
    reasons = {finding.reason for finding in findings}
    if Effect.EXCLUDES in effects:
        return SloVerdict.EXCLUDED
    if Effect.INVALIDATES in effects or metrics is None or outcome is None:
        return SloVerdict.UNDECIDED
    if reasons & {Reason.SATURATED, Reason.ERRORS}:
        return SloVerdict.NOT_MET
    if _certified(metrics, outcome, slo):
        return SloVerdict.MET
    if metrics.n_ok < least_successes(slo.percentile):
        return SloVerdict.UNDECIDED
    return SloVerdict.MET if outcome.met else SloVerdict.NOT_MET


def _certified(metrics: Metrics | None, outcome: SloOutcome | None, slo: Slo) -> bool:
    if metrics is None or outcome is None or not outcome.met:
        return False
    return certified(metrics.n_offered, outcome.n_over, slo.percentile)
