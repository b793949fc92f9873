"""Which contender to choose at which arrival rate, under what conditions, and what would flip it.

Pure decision: among the contenders that meet the SLO at a rate, the one with the fewest moving
parts, then the least server CPU for 1,000 requests.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from itertools import groupby

from pydantic import Field

from analysis.manifest import Manifest, Slo
from analysis.points import Point, SloVerdict
from analysis.values import Value
from analysis.wording import number


class Answer(StrEnum):
    CHOOSE = "choose"
    NONE_MEETS_SLO = "none meets the SLO"
    NOT_ENOUGH_EVIDENCE = "not enough evidence"


class Choice(Value):
    """The answer for a range of tested arrival rates."""

    from_rps: float = Field(description="Lowest tested arrival rate with this answer.")
    to_rps: float = Field(description="Highest tested arrival rate with this answer.")
    answer: Answer = Field(description="What kind of answer it is.")
    contender: str | None = Field(description="The contender to choose; null: none.")
    because: str = Field(description="Why, in one sentence.")

    @property
    def rates(self) -> str:
        if self.from_rps == self.to_rps:
            return f"{self.from_rps:g} rps"
        return f"{self.from_rps:g} to {self.to_rps:g} rps"


class Capacity(Value):
    """The highest tested arrival rate at which a contender meets the SLO."""

    contender: str = Field(description="Name of the contender.")
    at_least_rps: float | None = Field(description="Highest tested rate that met it; null: none.")
    next_rps: float | None = Field(description="The next tested rate; null: none was tested.")
    next_verdict: SloVerdict | None = Field(description="What was found there.")

    def __str__(self) -> str:
        met = f"at least {self.at_least_rps:g} rps" if self.at_least_rps else "no tested rate"
        if self.next_rps is None:
            return f"{met}; higher rates were not tested"
        return f"{met}; at {self.next_rps:g} rps: {self.next_verdict}"


class Recommendation(Value):
    """The answer, with what it rests on."""

    choices: list[Choice] = Field(description="Answers by range of arrival rates, ascending.")
    capacities: list[Capacity] = Field(description="What each contender sustains.")
    conditions: list[str] = Field(description="What the answer holds for, and nothing else.")
    reversals: list[str] = Field(description="What would change the answer.")


def recommend(
    points: Sequence[Point], moving_parts: Mapping[str, int], manifest: Manifest
) -> Recommendation:
    """The recommendation over all tested arrival rates."""
    rated = [point for point in points if point.rate_rps is not None]
    rates = sorted({point.rate_rps for point in rated if point.rate_rps is not None})
    singles = [
        _choose(rate, [p for p in rated if p.rate_rps == rate], moving_parts) for rate in rates
    ]
    choices = _collapsed(singles)
    found_capacities = [
        capacity(name, [p for p in rated if p.contender == name])
        for name in manifest.experiment.contenders
    ]
    return Recommendation(
        choices=choices,
        capacities=found_capacities,
        conditions=_conditions(manifest, rates),
        reversals=_reversals(choices, rated, manifest.experiment.slo),
    )


def capacity(contender: str, points: Sequence[Point]) -> Capacity:
    """The highest rate that met the SLO below the first that did not; points: one contender's."""
    met, following = None, None
    for point in sorted(points, key=lambda p: p.rate_rps or 0.0):
        if point.slo_verdict is SloVerdict.MET:
            met, following = point, None
            continue
        following = following or point
        if point.slo_verdict is SloVerdict.NOT_MET:
            break
    return Capacity(
        contender=contender,
        at_least_rps=met.rate_rps if met else None,
        next_rps=following.rate_rps if following else None,
        next_verdict=following.slo_verdict if following else None,
    )


def _choose(rate_rps: float, points: Sequence[Point], moving_parts: Mapping[str, int]) -> Choice:
    met = [p for p in points if p.slo_verdict is SloVerdict.MET]
    undecided = [p.contender for p in points if p.slo_verdict is SloVerdict.UNDECIDED]
    best = min(met, key=lambda p: (_parts(p, moving_parts), _cpu_s(p)), default=None)
    if best is None:
        if undecided:
            because = f"no contender is shown to meet the SLO, and {_names(undecided)} might"
            return _answer(rate_rps, Answer.NOT_ENOUGH_EVIDENCE, None, because)
        return _answer(rate_rps, Answer.NONE_MEETS_SLO, None, "every contender was measured")
    simpler = [name for name in undecided if moving_parts.get(name, 0) < _parts(best, moving_parts)]
    if simpler:
        # Naming the winner here would reward it for its rival's failed measurement.
        because = f"{best.contender} meets the SLO, but {_names(simpler)}, simpler, might as well"
        return _answer(rate_rps, Answer.NOT_ENOUGH_EVIDENCE, None, because)
    return _answer(rate_rps, Answer.CHOOSE, best.contender, _why(best, met, moving_parts))


def _why(best: Point, met: Sequence[Point], moving_parts: Mapping[str, int]) -> str:
    parts = _parts(best, moving_parts)
    if len(met) == 1:
        return "the only contender that meets the SLO"
    equals = [p for p in met if _parts(p, moving_parts) == parts]
    if len(equals) == 1:
        return f"meets the SLO with the fewest moving parts ({parts})"
    return (
        f"meets the SLO with the fewest moving parts ({parts}) and, among those, "
        "the least server CPU for 1,000 requests"
    )


def _collapsed(singles: Sequence[Choice]) -> list[Choice]:
    groups = groupby(singles, key=lambda choice: (choice.answer, choice.contender))
    return [_merged(list(group)) for _, group in groups]


def _merged(same: Sequence[Choice]) -> Choice:
    reasons = list(dict.fromkeys(choice.because for choice in same))
    return same[0].model_copy(update={"to_rps": same[-1].to_rps, "because": "; ".join(reasons)})


def _conditions(manifest: Manifest, rates: Sequence[float]) -> list[str]:
    experiment, model = manifest.experiment, manifest.model
    covered = ", ".join(f"{rate:g}" for rate in rates) or "none"
    cores = {role: len(numbers) for role, numbers in manifest.cores.items()}
    return [
        f"Machine: {manifest.machine}; cores given to the server: {cores.get('server', 0)}, to "
        f"the load generator: {cores.get('load', 0)}.",
        f"Form: {manifest.form}.",
        f"Model: {model.name}, {model.weights} weights, digest {model.digest[:12]}.",
        f"SLO: {experiment.slo}; latency counts from the scheduled time of arrival.",
        f"Traffic: {manifest.traffic.source}, {manifest.traffic.n_texts:,} texts, one text a "
        "request, Poisson arrivals.",
        f"Arrival rates tested: {covered} rps; repeats of each: {experiment.repeats}. Nothing "
        "is said about rates below, above or between them.",
    ]


def _reversals(choices: Sequence[Choice], rated: Sequence[Point], slo: Slo) -> list[str]:
    measured = {(p.contender, p.rate_rps): p.metrics.latency_slo_ms for p in rated if p.metrics}
    found = []
    for choice in choices:
        if choice.contender is not None:
            latency_ms = measured[choice.contender, choice.to_rps]
            found.append(
                f"{choice.rates}: P{slo.percentile:g} of {choice.contender} above "
                f"{slo.latency_ms:g} ms (measured at {choice.to_rps:g} rps: {number(latency_ms)} "
                f"ms) or more than {slo.max_error_ratio:.2%} of its requests failed; a contender "
                "with fewer moving parts that meets the SLO."
            )
        elif choice.answer is Answer.NONE_MEETS_SLO:
            found.append(f"{choice.rates}: a looser SLO, more cores or a quicker contender.")
        else:
            found.append(f"{choice.rates}: valid measurements of what is missing.")
    return [*found, "Another model, text length, machine, number of cores, SLO or form of start."]


def _answer(rate_rps: float, answer: Answer, contender: str | None, because: str) -> Choice:
    return Choice(
        from_rps=rate_rps, to_rps=rate_rps, answer=answer, contender=contender, because=because
    )


def _parts(point: Point, moving_parts: Mapping[str, int]) -> int:
    return moving_parts.get(point.contender, 0)


def _cpu_s(point: Point) -> float:
    cpu_s = point.metrics.server_cpu_s_per_1000_requests if point.metrics else None
    return float("inf") if cpu_s is None else cpu_s


def _names(names: Sequence[str]) -> str:
    return ", ".join(names)
