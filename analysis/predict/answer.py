"""The whole answer to a question: replicas, crossovers, sensitivity, and the map of winners."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite

from analysis.predict.basis import Modelled
from analysis.predict.load_curve import LoadCurve, curve_of_measured, load_curve
from analysis.predict.plan import PlanAnswer, PlanQuestion, best_known, plan
from analysis.predict.sensitivity import Sensitivity, other_delays_s, sensitivities
from analysis.predict.values import PredictError, Traffic
from analysis.predict.winner_map import Crossover, WinnerMap, crossover, winner_map
from loadtests.records.experiment import Slo

ERROR_OF_MEASURED, ERROR_OF_PREDICTED = 0.05, 0.2
"""Of a capacity, for the interval of a crossover. Predicted: on the committed runs servers were
saturated at 80 % of the rate predicted at most. Measured: the steps of the search."""


@dataclass(frozen=True)
class Curves:
    """Each contender's load curve, in the order of the run; measured: of those that have one, too,
    by name."""

    predicted: tuple[LoadCurve, ...]
    measured: Mapping[str, LoadCurve]

    def known(self, slo: Slo) -> list[LoadCurve]:
        """Of each contender the one that counts for this SLO."""
        return [best_known(each, self.measured.get(each.contender), slo) for each in self.predicted]


@dataclass(frozen=True)
class Answered:
    """What is said of a question. labels: of simulated devices, by contender; stands_for: others
    that differ from a contender in the engine only; crossovers: of each FastAPI that runs every
    request alone, with the contender that is the first to cost less; sensitivity: of capacities,
    by contender."""

    answers: tuple[PlanAnswer, ...]
    labels: Mapping[str, str]
    stands_for: Mapping[str, tuple[str, ...]]
    crossovers: tuple[Crossover, ...]
    sensitivity: Mapping[str, tuple[Sensitivity, ...]]


def curves_of(models: Sequence[Modelled], traffic: Traffic, percentile: float) -> Curves:
    """Simulates every contender over its range of rates; takes its measured levels of which the
    percentile is known."""
    predicted = tuple(load_curve(each.front, each.device, traffic) for each in models)
    found = {}
    for each, curve in zip(models, predicted, strict=True):
        levels = [
            level
            for level in each.measured
            if level.saturated or isfinite(level.latency_s(percentile))
        ]
        if any(not level.saturated for level in levels):
            found[each.name] = curve_of_measured(each.name, levels, curve)
    return Curves(predicted, found)


def answered(
    question: PlanQuestion, models: Sequence[Modelled], curves: Curves, traffic: Traffic
) -> Answered:
    """PredictError where no contender can."""
    answers = plan(question, curves.predicted, curves.measured)
    by_name = {each.name: each for each in models}
    return Answered(
        answers=tuple(answers),
        labels={each.name: each.label for each in models if each.label},
        stands_for={each.name: each.stands_for for each in models if each.stands_for},
        crossovers=tuple(_crossovers(question, models, curves)),
        sensitivity={
            name: tuple(
                sensitivities(by_name[name].front, by_name[name].device, traffic, question.slo)
            )
            for name in _looked_at_closely(answers, by_name)
        },
    )


def map_of(question: PlanQuestion, curves: Curves) -> WinnerMap:
    """Who is the cheapest over rates and bounds, for a question's percentile and prices."""
    percentile = question.slo.percentile
    return winner_map(curves.predicted, question.prices, percentile, measured=curves.measured)


def _looked_at_closely(
    answers: Sequence[PlanAnswer], models: Mapping[str, Modelled]
) -> Sequence[str]:
    """The best FastAPI that runs every request alone, and the best of the others: one with a queue
    delay to set, where there is one."""
    able = [answer.contender for answer in answers if answer.can]
    alone = [name for name in able if models[name].is_per_request_fastapi]
    rest = [name for name in able if name not in alone]
    delaying = [name for name in rest if other_delays_s(models[name].front)]
    return [*alone[:1], *(delaying or rest)[:1]]


def _crossovers(
    question: PlanQuestion, models: Sequence[Modelled], curves: Curves
) -> list[Crossover]:
    found = [
        answered_crossover(each.name, models, curves, question.slo, question.prices)
        for each in models
        if each.is_per_request_fastapi
    ]
    return [each for each in found if each is not None]


def answered_crossover(
    name: str,
    models: Sequence[Modelled],
    curves: Curves,
    slo: Slo,
    prices: Mapping[str, float] | None = None,
) -> Crossover | None:
    """From which rate one contender costs more than the first that does not run each request alone;
    None: it meets the SLO at no rate, or no other is there."""
    known = {each.contender: each for each in curves.known(slo)}
    if known[name].capacity_rps(slo) is None:
        return None
    rest = [each.name for each in models if not each.is_per_request_fastapi]
    met = [_crossover(known[name], known[other], slo, prices) for other in rest]
    return min(met, key=lambda each: each.rate_rps or float("inf"), default=None)


def _crossover(
    curve: LoadCurve, other: LoadCurve, slo: Slo, prices: Mapping[str, float] | None
) -> Crossover:
    both = curve.is_measured and other.is_measured
    error = ERROR_OF_MEASURED if both else ERROR_OF_PREDICTED
    return crossover(curve, other, slo, prices, error)


def price_of_all(models: Sequence[Modelled], per_hour: float | None) -> Mapping[str, float] | None:
    """The same price of a replica for every contender; None: none was given."""
    if per_hour is None:
        return None
    if not 0 < per_hour <= 1e6:
        raise PredictError(
            f"expected a price above 0 and up to 1,000,000 an hour, found {per_hour:g}: correct "
            "--price-per-hour."
        )
    return {each.name: per_hour for each in models}
