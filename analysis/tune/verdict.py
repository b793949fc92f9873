"""Whether anything beats the default: from the last generation alone. Pure.

What the search saw chose the candidates, so that the best of them looks better than it is; the last
generation measured them anew.
"""

from collections.abc import Sequence
from enum import StrEnum

from pydantic import Field

from analysis.compare.ratios import CapacityRatio
from analysis.compare.verdicts import Verdict
from analysis.read.value import Value
from analysis.tune.measured import Candidate, Generation


class Outcome(StrEnum):
    """What there is to say, the best first."""

    MORE_CAPACITY = "more_capacity"
    WITHIN_LIMITS = "within_limits"
    LOWER_P50 = "lower_p50"
    NONE_BETTER = "none_better"
    NOT_COMPARED = "not_compared"


class Answer(Value):
    """The configuration to take."""

    outcome: Outcome = Field(description="Why.")
    best: Candidate | None = Field(description="The configuration; null: the default.")


def answer(final: Generation | None) -> Answer:
    """More capacity wins; then, at a capacity that is as large, a lower P50. Where the default is
    beyond the limits itself, the one with most capacity within them is taken."""
    in_play = [each for each in final.candidates if each.in_play] if final else []
    if final is None or not final.candidates or final.default.problem:
        return Answer(outcome=Outcome.NOT_COMPARED, best=None)
    larger = [each for each in in_play if each.capacity.verdict is Verdict.BETTER]
    if larger:
        return Answer(outcome=Outcome.MORE_CAPACITY, best=max(larger, key=_surely))
    if final.default.beyond and in_play:
        return Answer(outcome=Outcome.WITHIN_LIMITS, best=max(in_play, key=_surely))
    faster = [each for each in in_play if _is_faster(each)]
    if faster:
        return Answer(outcome=Outcome.LOWER_P50, best=min(faster, key=_slowest))
    if all(each.problem for each in final.candidates):
        return Answer(outcome=Outcome.NOT_COMPARED, best=None)
    return Answer(outcome=Outcome.NONE_BETTER, best=None)


def _surely(candidate: Candidate) -> float:
    """How many times the default's capacity it has at least."""
    return _known_least(candidate.capacity)


def _known_least(ratio: CapacityRatio) -> float:
    return ratio.low if ratio.low is not None else ratio.ratio or 0.0


def _is_faster(candidate: Candidate) -> bool:
    as_large = candidate.capacity.verdict is Verdict.NO_MATERIAL_DIFFERENCE
    p50 = candidate.p50
    return as_large and p50 is not None and p50.verdict is Verdict.BETTER


def _slowest(candidate: Candidate) -> float:
    p50 = candidate.p50
    return p50.high if p50 and p50.high is not None else 1.0


def front(places: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Of pairs of P50 (less is better) and capacity (more is better), those that none beats in
    both, by P50."""
    kept: list[tuple[float, float]] = []
    for place in sorted(places, key=lambda each: (each[0], -each[1])):
        if not kept or place[1] > kept[-1][1]:
            kept.append(place)
    return kept
