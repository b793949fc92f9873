"""The overload trials of a contender at one multiple of its capacity, all repeats together."""

from collections.abc import Sequence

import pandas as pd
from pydantic import Field

from analysis.capacity.load_points import grouped
from analysis.overload.recovery import QUIET_S, median_s, recovery_of
from analysis.read.run import Run, Trial
from analysis.read.value import Value, over
from analysis.steady.metrics import Metrics, measure
from analysis.steady.sample import Sample
from analysis.validity.trials import JudgedTrial
from loadtests.records.experiment import Slo
from loadtests.records.overload import Overload
from loadtests.records.percentiles import FloatArray, percentile_ms
from loadtests.records.slo import is_saturated
from loadtests.records.steady_state import is_steady, is_success

REJECTED = ("http_503", "http_429", "grpc_UNAVAILABLE", "grpc_RESOURCE_EXHAUSTED")
"""Statuses with which a server refuses what it has too much of; a Triton whose queue is full, or
whose queue's timeout has passed, answers UNAVAILABLE."""

TIMED_OUT = "timeout"


class Range(Value):
    """The least and the largest of several repeats."""

    low: float = Field(description="The least.")
    high: float = Field(description="The largest.")


class OverloadPoint(Value):
    """One contender at one multiple of its capacity: what came of the requests of the overload."""

    contender: str = Field(description="Name of the contender.")
    factor: float = Field(description="Multiple of its capacity that was offered.")
    capacity_rps: float = Field(description="That capacity, as known when the overload was made.")
    level: str = Field(description="Name of the arrival rate during the overload.")
    metrics: Metrics = Field(
        description="Of the overload, repeats merged. Latencies are of what was answered, and hold "
        "for an overload of this length: they grow with it. Counters include the time before and "
        "after."
    )
    throughput_range: Range = Field(description="Throughput by repeat, requests a second.")
    goodput_range: Range = Field(description="Goodput by repeat, requests a second.")
    failures: dict[str, int] = Field(
        description="Requests of the overload that failed, by status, the most frequent first."
    )
    rejected_ratio: float = Field(
        description="Share of the requests offered that the server refused (503, 429, UNAVAILABLE, "
        "RESOURCE_EXHAUSTED)."
    )
    timed_out_ratio: float = Field(description="Share whose caller waited in vain.")
    rejected_p50_ms: float | None = Field(
        description="P50 of the time after which a refusal came; needs 20 of them."
    )
    recovery_s: float | None = Field(
        description="Seconds from the end of the overload until all requests due within the next "
        "half second were answered within the SLO, median of the repeats; null: not seen."
    )
    recovery_range: Range | None = Field(
        description="The same by repeat, of those that recovered; null: none did."
    )
    n_recovered: int = Field(description="Repeats in which a recovery was seen.")
    watched_s: float = Field(description="A recovery later than this could not be seen.")
    n_repeats: int = Field(description="Usable repeats.")
    trial_ids: list[str] = Field(description="The trials behind it.")

    @property
    def usable(self) -> bool:
        """As of a load point; trials that may not be used are left out of it."""
        return True

    @property
    def saturated(self) -> bool:
        return is_saturated(self.metrics.throughput_rps, self.metrics.offered_rps)


_Made = tuple[Overload, Trial, Sample]


def overload_points(judged: Sequence[JudgedTrial], run: Run) -> list[OverloadPoint]:
    """By contender in the experiment's order, factors ascending."""
    experiment = run.manifest.experiment
    trials = {trial.record.trial_id: trial for trial in run.having("overload")}
    made: list[_Made] = []
    for each in judged:
        trial = trials.get(each.result.trial_id)
        if trial and trial.record.overload and each.sample and each.result.usable:
            made.append((trial.record.overload, trial, each.sample))
    order = {name: i for i, name in enumerate(experiment.contenders)}
    groups = grouped(made, lambda m: (order[m[1].record.contender_name], m[0].factor))
    return [_point(groups[key], experiment.slo) for key in sorted(groups)]


def _point(made: Sequence[_Made], slo: Slo) -> OverloadPoint:
    (overload, trial, _), samples = made[0], [sample for _, _, sample in made]
    metrics = measure(samples, slo)
    each = [measure([sample], slo) for sample in samples]
    failed = pd.concat([_failed(trial.requests) for _, trial, _ in made])
    failures = {str(k): int(n) for k, n in failed["status"].astype(str).value_counts().items()}
    rejected = failed[failed["status"].isin(REJECTED)]
    recoveries = [_recovery_s(*one, slo) for one in made]
    seen = [found for found in recoveries if found is not None]
    return OverloadPoint(
        contender=trial.record.contender_name,
        factor=overload.factor,
        capacity_rps=overload.capacity_rps,
        level=trial.record.level.label,
        metrics=metrics,
        throughput_range=_range([m.throughput_rps for m in each]),
        goodput_range=_range([m.goodput_rps for m in each]),
        failures=failures,
        rejected_ratio=over(len(rejected), metrics.n_offered) or 0.0,
        timed_out_ratio=over(failures.get(TIMED_OUT, 0), metrics.n_offered) or 0.0,
        rejected_p50_ms=percentile_ms(_waited_s(rejected), 50),
        recovery_s=median_s(recoveries),
        recovery_range=_range(seen) if seen else None,
        n_recovered=len(seen),
        watched_s=overload.recover_s - QUIET_S,
        n_repeats=len(made),
        trial_ids=[trial.record.trial_id for _, trial, _ in made],
    )


def _failed(requests: pd.DataFrame) -> pd.DataFrame:
    """The requests of the overload that were not answered as they should be."""
    return requests[is_steady(requests) & ~is_success(requests)]


def _waited_s(requests: pd.DataFrame) -> FloatArray:
    return (requests["done_s"] - requests["scheduled_s"]).to_numpy(float)


def _recovery_s(overload: Overload, trial: Trial, _: Sample, slo: Slo) -> float | None:
    phases = trial.record.phases
    assert phases is not None  # every completed trial has them
    return recovery_of(trial.requests, phases, overload.recover_s, slo)


def _range(values: Sequence[float]) -> Range:
    return Range(low=min(values), high=max(values))
