"""The contender to choose at one arrival rate: the simplest that is certified there."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import groupby

from pydantic import Field

from analysis.capacity.certified import Capacity, Judgement
from analysis.compare.verdicts import Verdict
from analysis.read.value import Value

CpuVerdict = Callable[[str, str, float], Verdict]
"""Server CPU of the second contender against the first's, near an arrival rate."""


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
    equals: list[str] = Field(
        default=[],
        description="Certified contenders as simple as it, and not shown to need more or less "
        "server CPU: any of them would do.",
    )
    because: str = Field(description="Why, in one sentence.")

    @property
    def rates(self) -> str:
        if self.from_rps == self.to_rps:
            return f"{self.from_rps:.4g} rps"
        return f"{self.from_rps:.4g} to {self.to_rps:.4g} rps"


@dataclass(frozen=True)
class Candidates:
    """Who stands for choice. capacities under the main SLO, in the experiment's order; out: wrong
    answers or never started."""

    capacities: Sequence[Capacity]
    n_components: Mapping[str, int]
    out: frozenset[str] = field(default_factory=frozenset)


def choose(
    candidates: Candidates, rates_rps: Sequence[float], cpu_verdict: CpuVerdict
) -> list[Choice]:
    """The answers by range of arrival rates, ascending; neighbours with one answer are merged."""
    singles = [_choose(candidates, rate_rps, cpu_verdict) for rate_rps in sorted(rates_rps)]
    groups = groupby(singles, key=lambda c: (c.answer, c.contender, tuple(c.equals)))
    return [_merged(candidates, list(group)) for _, group in groups]


def _choose(candidates: Candidates, rate_rps: float, cpu_verdict: CpuVerdict) -> Choice:
    parts = candidates.n_components
    standing = {
        capacity.contender: capacity.judged(rate_rps)
        for capacity in candidates.capacities
        if capacity.contender not in candidates.out
    }
    sure = [name for name, found in standing.items() if found is Judgement.CERTIFIED]
    unsure = [
        name for name, found in standing.items() if found in (Judgement.MET, Judgement.UNDECIDED)
    ]
    if not sure and unsure:
        because = f"no contender is shown to meet the SLO, and {', '.join(unsure)} might"
        return _answer(rate_rps, Answer.NOT_ENOUGH_EVIDENCE, because)
    if not sure:
        return _answer(rate_rps, Answer.NONE_MEETS_SLO, _who_missed(candidates, [rate_rps]))
    fewest = min(parts.get(name, 0) for name in sure)
    simplest = [name for name in sure if parts.get(name, 0) == fewest]
    best, equals = _least_cpu(simplest, rate_rps, cpu_verdict)
    simpler = [name for name in unsure if parts.get(name, 0) < fewest]
    if simpler:
        # Naming the winner here would reward it for its rival's failed measurement.
        because = f"{best} meets the SLO, but {', '.join(simpler)}, simpler, might as well"
        return _answer(rate_rps, Answer.NOT_ENOUGH_EVIDENCE, because)
    because = _why(sure, simplest, equals, fewest)
    return _answer(rate_rps, Answer.CHOOSE, because, best, equals)


def _least_cpu(
    names: Sequence[str], rate_rps: float, cpu_verdict: CpuVerdict
) -> tuple[str, list[str]]:
    """The first contender that no other is shown to beat, and those as good as it.

    Order decides between equals, not the figures: a choice must not flip by chance.
    """
    best = names[0]
    for name in names[1:]:
        if cpu_verdict(best, name, rate_rps) is Verdict.BETTER:
            best = name
    others = [name for name in names if name != best]
    return best, [n for n in others if cpu_verdict(best, n, rate_rps) is not Verdict.WORSE]


def _why(sure: Sequence[str], simplest: Sequence[str], equals: Sequence[str], fewest: int) -> str:
    if len(sure) == 1:
        return "the only contender certified to meet the SLO"
    why = f"certified to meet the SLO with the fewest components ({fewest})"
    if len(simplest) == 1:
        return why
    if not equals:
        return f"{why} and, among those, the least server CPU for 1,000 requests"
    return f"{why}; {', '.join(equals)} would do as well"


def _who_missed(candidates: Candidates, rates_rps: Sequence[float]) -> str:
    """At which of the rates, which nobody meets, each contender was measured."""
    by_rates: dict[tuple[float, ...], list[str]] = {}
    for capacity in candidates.capacities:
        if capacity.contender not in candidates.out:
            measured = tuple(rate for rate in rates_rps if capacity.measured_at(rate))
            by_rates.setdefault(measured, []).append(capacity.contender)
    if not by_rates:
        return "every contender gave wrong answers or never started"
    if set(by_rates) == {tuple(rates_rps)} and not candidates.out:
        return f"every contender was {_where(rates_rps, rates_rps)}"
    found = [
        f"{_where(measured, rates_rps)}: {', '.join(names)}"
        for measured, names in sorted(by_rates.items(), key=lambda item: -len(item[0]))
    ]
    if candidates.out:
        found.append(f"gave wrong answers or never started: {', '.join(sorted(candidates.out))}")
    return "; ".join(found)


def _where(measured: Sequence[float], rates_rps: Sequence[float]) -> str:
    if not measured:
        return "missed the SLO at a lower rate"
    if len(measured) == len(rates_rps):
        return "measured here" if len(rates_rps) == 1 else "measured at each of these rates"
    return f"measured only at {', '.join(f'{rate:.4g}' for rate in measured)} rps of these"


def _merged(candidates: Candidates, same: Sequence[Choice]) -> Choice:
    reasons = list(dict.fromkeys(choice.because for choice in same))
    if same[0].answer is Answer.NONE_MEETS_SLO:
        reasons = [_who_missed(candidates, [choice.from_rps for choice in same])]
    return same[0].model_copy(update={"to_rps": same[-1].to_rps, "because": "; ".join(reasons)})


def _answer(
    rate_rps: float,
    answer: Answer,
    because: str,
    contender: str | None = None,
    equals: Sequence[str] = (),
) -> Choice:
    return Choice(
        from_rps=rate_rps,
        to_rps=rate_rps,
        answer=answer,
        contender=contender,
        equals=list(equals),
        because=because,
    )
