"""What was predicted before a run, beside what the run measured."""

from collections.abc import Sequence

from pydantic import Field

from analysis.capacity.load_points import Point, SloVerdict
from analysis.predict.goals import prediction_error
from analysis.read.value import Value
from loadtests.records.predictions import PredictedContender, PredictedRate, Predictions


class ForetoldPoint(Value):
    """One contender at one arrival rate. Errors: (predicted - measured) / measured; null: one of
    the two is not known, as latencies are not where either is saturated."""

    contender: str = Field(description="Name of the contender.")
    level: str = Field(description="Name of the load level.")
    load: float = Field(description="Arrival rate over the highest rate predicted.")
    in_report: bool = Field(
        description="True: the report shows it: a common rate, or the edge of the main SLO: the "
        "highest rate that met it, and the next one measured."
    )
    predicted_throughput_rps: float = Field(description="Replies per second, predicted.")
    throughput_rps: float = Field(description="The same, measured.")
    throughput_error: float | None = Field(description="Error of the prediction.")
    predicted_p50_ms: float | None = Field(description="P50 latency, predicted.")
    p50_ms: float | None = Field(description="The same, measured.")
    p50_error: float | None = Field(description="Error of the prediction.")
    predicted_p99_ms: float | None = Field(description="P99 latency, predicted.")
    p99_ms: float | None = Field(description="The same, measured.")
    p99_error: float | None = Field(description="Error of the prediction.")
    predicted_mean_batch: float = Field(description="Requests a batch, predicted.")
    mean_batch: float | None = Field(description="The same, measured.")
    predicted_cpu_utilisation: float = Field(description="Share of the server's cores, predicted.")
    cpu_utilisation: float | None = Field(description="The same, measured.")
    within_goals: bool | None = Field(
        description="Whether all errors are within the goals of docs/prediction.md; null: beyond "
        "the load that they are set for."
    )


class Foretold(Value):
    """Predictions that were stored before the first trial, beside what was measured."""

    made_at: str = Field(description="When they were made (ISO 8601).")
    took_s: float = Field(description="How long they took.")
    reason: str = Field(description="Why nothing was predicted; empty: something was.")
    costs_from: str = Field(description="Earlier run that the servers' costs are from.")
    costs_created_at: str = Field(description="When that run began (ISO 8601).")
    costs_commit: str | None = Field(description="Its commit; null: not known.")
    engines_from: str = Field(description="Run in which the engines were measured alone.")
    simulated_devices: dict[str, str] = Field(description="Labels of simulated ones, by contender.")
    left_out: dict[str, str] = Field(description="Why a contender was not predicted, by name.")
    points: list[ForetoldPoint] = Field(
        description="Every valid open-loop load of a contender that was predicted."
    )
    n_judged: int = Field(description="Points at loads that the goals are set for.")
    n_within_goals: int = Field(description="Those whose errors are all within the goals.")


def foretold(predictions: Predictions, points: Sequence[Point]) -> Foretold:
    """points: of the run, by contender and rising rate."""
    compared = [each for of_one in predictions.contenders for each in _of_one(of_one, points)]
    basis = predictions.basis
    judged = [each for each in compared if each.within_goals is not None]
    return Foretold(
        made_at=predictions.made_at,
        took_s=predictions.took_s,
        reason=predictions.reason,
        costs_from=basis.costs_from if basis else "",
        costs_created_at=basis.costs_created_at if basis else "",
        costs_commit=basis.costs_commit if basis else None,
        engines_from=basis.engines_from if basis else "",
        simulated_devices={
            each.contender: each.simulated_device
            for each in predictions.contenders
            if each.simulated_device
        },
        left_out=dict(predictions.left_out),
        points=compared,
        n_judged=len(judged),
        n_within_goals=sum(each.within_goals is True for each in judged),
    )


def _of_one(contender: PredictedContender, points: Sequence[Point]) -> list[ForetoldPoint]:
    own = [p for p in points if p.contender == contender.contender and p.usable and p.rate_rps]
    edge = _edge(own)
    return [
        _compared(contender, predicted, point, point.planned or point.level in edge)
        for point in own
        if (predicted := contender.at(point.rate_rps or 0.0))
    ]


def _edge(points: Sequence[Point]) -> set[str]:
    """The levels between which the main SLO is no longer met."""
    met = [k for k, point in enumerate(points) if point.slo_verdict is SloVerdict.MET]
    first = met[-1] if met else 0
    return {point.level for point in points[first : first + 2]}


def _compared(
    contender: PredictedContender, predicted: PredictedRate, point: Point, in_report: bool
) -> ForetoldPoint:
    error = prediction_error(predicted, contender.highest_rps, point)
    metrics = point.metrics
    assert metrics is not None  # every usable point has them
    return ForetoldPoint(
        contender=point.contender,
        level=point.level,
        load=error.load,
        in_report=in_report,
        predicted_throughput_rps=predicted.throughput_rps,
        throughput_rps=metrics.throughput_rps,
        throughput_error=error.throughput_error,
        predicted_p50_ms=predicted.p50_ms,
        p50_ms=metrics.latency_p50_ms,
        p50_error=error.p50_error,
        predicted_p99_ms=predicted.p99_ms,
        p99_ms=metrics.latency_p99_ms,
        p99_error=error.p99_error,
        predicted_mean_batch=predicted.mean_batch,
        mean_batch=metrics.mean_batch,
        predicted_cpu_utilisation=predicted.cpu_utilisation,
        cpu_utilisation=metrics.server_cpu_utilisation,
        within_goals=error.within_goals,
    )
