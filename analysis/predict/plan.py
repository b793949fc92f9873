"""What a rate and a bound take: which contenders can, with how many replicas, at what cost."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np

from analysis.predict.load_curve import LoadCurve
from analysis.predict.rates import Resource
from analysis.predict.values import PredictError
from loadtests.records.experiment import Slo

HOURS_A_MONTH = 730.0
MOST_REPLICAS = 1000
"""Beyond these a rate counts as one that a contender cannot reach."""

FURTHER_REPLICAS = 50
"""How many more than the fewest are tried: with a queue delay, latency falls as the rate grows."""


@dataclass(frozen=True)
class PlanQuestion:
    """rate_rps x growth must meet the SLO with so many replicas down (survive). prices: an hour of
    one replica, by contender; a contender without one is planned without cost.

    Arrivals are spread over the replicas at random; a balancer that sees queues does better.
    """

    rate_rps: float
    slo: Slo
    growth: float = 1.0
    survive: int = 0
    prices: Mapping[str, float] | None = None

    def __post_init__(self) -> None:
        if self.rate_rps <= 0 or self.growth <= 0:
            raise PredictError(
                f"expected a rate and a growth above 0, found {self.rate_rps:g}/s and "
                f"{self.growth:g}: give positive numbers."
            )
        if self.survive < 0:
            raise PredictError(f"expected 0 or more replicas to survive, found {self.survive}.")

    @property
    def planned_rps(self) -> float:
        return self.rate_rps * self.growth

    def price_of(self, contender: str) -> float | None:
        return (self.prices or {}).get(contender)


@dataclass(frozen=True)
class PlanAnswer:
    """What one contender would take; where it cannot, no more is known than lowest_s, and what one
    replica takes within the SLO.

    lowest_s: the percentile at the load at which it is lowest. replicas includes those that may
    fail. utilisation, latency_s, mean_batch, device_busy (share of time) and device_share_of_best
    (of the device's best rate): of one replica with all up, at the planned rate. headroom: the
    highest rate that all of them take within the SLO over the planned one. breaks_first: what is
    used up first beyond that; None: only measured, not modelled.
    by_measurement: what one replica does was measured about its rate, on the device of the run;
    measured: and one replica is enough.
    """

    contender: str
    can: bool
    lowest_s: float
    replicas: int | None = None
    utilisation: float | None = None
    latency_s: float | None = None
    mean_batch: float | None = None
    device_busy: float | None = None
    device_share_of_best: float | None = None
    capacity_rps: float | None = None
    headroom: float | None = None
    cost_per_million: float | None = None
    cost_per_month: float | None = None
    breaks_first: Resource | None = None
    by_measurement: bool = False
    measured: bool = False


def plan(
    question: PlanQuestion,
    curves: Sequence[LoadCurve],
    measured: Mapping[str, LoadCurve] | None = None,
) -> list[PlanAnswer]:
    """Every contender's answer: those that can first, by cost, then by replicas; PredictError where
    none can. measured: by contender; counts in place of its prediction where it answers."""
    answers = [_answer(question, curve, (measured or {}).get(curve.contender)) for curve in curves]
    _refuse_what_nobody_can(question, answers)
    return sorted(answers, key=_cheapest_first)


def best_known(curve: LoadCurve, measured: LoadCurve | None, slo: Slo) -> LoadCurve:
    """The measured curve where it tells from which rate on the SLO is not met, else the predicted
    one."""
    return measured if measured is not None and measured.brackets(slo) else curve


def replicas_known(
    curve: LoadCurve, measured: LoadCurve | None, rate_rps: float, slo: Slo
) -> int | None:
    """The fewest replicas, by what was measured where that tells; None: no number is enough."""
    if met_as_measured(measured, rate_rps, slo):
        return 1
    return replicas_needed(best_known(curve, measured, slo), rate_rps, slo)


def met_as_measured(measured: LoadCurve | None, rate_rps: float, slo: Slo) -> bool:
    """Whether one replica was measured about this rate, and met the SLO."""
    return (
        measured is not None
        and measured.was_measured_at(rate_rps)
        and measured.meets(rate_rps, slo)
    )


def _refuse_what_nobody_can(question: PlanQuestion, answers: Sequence[PlanAnswer]) -> None:
    if not any(answer.capacity_rps for answer in answers):
        best = min(answers, key=lambda answer: answer.lowest_s, default=None)
        nearest = (
            f"{best.contender} reaches {best.lowest_s * 1000:.3g} ms" if best else "none is known"
        )
        raise PredictError(
            f"expected a contender with a P{question.slo.percentile:g} of at most "
            f"{question.slo.latency_ms:g} ms at some rate, found none ({nearest} at its best): "
            "allow more time."
        )
    able = [answer for answer in answers if answer.capacity_rps]
    if not any(answer.can for answer in able):
        most = max(able, key=lambda answer: answer.capacity_rps or 0.0)
        raise PredictError(
            f"expected a rate that {MOST_REPLICAS:,} replicas of some contender reach within the "
            f"SLO, found {question.planned_rps:,.6g}/s ({most.contender} reaches "
            f"{MOST_REPLICAS * (most.capacity_rps or 0.0):,.3g}/s): ask for less."
        )


def replicas_needed(curve: LoadCurve, rate_rps: float, slo: Slo) -> int | None:
    """The fewest replicas whose percentile is within the SLO at rate_rps over them; None: no number
    of them is enough."""
    capacity_rps = curve.capacity_rps(slo)
    if capacity_rps is None:
        return None
    fewest = max(1, ceil(rate_rps / capacity_rps - 1e-9))
    for replicas in range(fewest, min(fewest + FURTHER_REPLICAS, MOST_REPLICAS + 1)):
        if curve.meets(rate_rps / replicas, slo):
            return replicas
    return None


def _answer(question: PlanQuestion, predicted: LoadCurve, measured: LoadCurve | None) -> PlanAnswer:
    slo, rate_rps = question.slo, question.planned_rps
    lowest_s = min(each.latency_s(slo.percentile) for each in predicted.predicted)
    up = replicas_known(predicted, measured, rate_rps, slo)
    capacity_rps = best_known(predicted, measured, slo).capacity_rps(slo)
    if up is None:
        return PlanAnswer(predicted.contender, False, lowest_s, capacity_rps=capacity_rps)
    replicas = up + question.survive
    each_rps = rate_rps / replicas
    by_measurement = met_as_measured(measured, each_rps, slo)
    source = measured if measured is not None and by_measurement else predicted
    most_rps = max(capacity_rps or 0.0, rate_rps / up)
    hour = question.price_of(predicted.contender)
    used_up = predicted.used_up_at_rps
    latency_s = source.latency_s(each_rps, slo.percentile)
    return PlanAnswer(
        contender=predicted.contender,
        can=True,
        lowest_s=lowest_s,
        replicas=replicas,
        utilisation=each_rps / predicted.highest_rps,
        latency_s=latency_s if np.isfinite(latency_s) else None,
        mean_batch=source.figure(each_rps, "mean_batch"),
        device_busy=source.figure(each_rps, "device_busy"),
        device_share_of_best=source.figure(each_rps, "device_share_of_best"),
        capacity_rps=most_rps,
        headroom=replicas * most_rps / rate_rps,
        cost_per_million=None if hour is None else hour * replicas / (3600 * rate_rps) * 1e6,
        cost_per_month=None if hour is None else hour * replicas * HOURS_A_MONTH,
        breaks_first=min(used_up, key=lambda r: used_up[r]) if used_up else None,
        by_measurement=by_measurement,
        measured=by_measurement and replicas == 1,
    )


def _cheapest_first(answer: PlanAnswer) -> tuple[bool, float, float]:
    cost = answer.cost_per_million
    return not answer.can, np.inf if cost is None else cost, answer.replicas or np.inf
