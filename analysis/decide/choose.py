"""The contender to choose at one arrival rate: the simplest that is certified there."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import groupby

from pydantic import Field

from analysis.capacity.certified import Capacity
from analysis.capacity.rate_judgement import Judgement
from analysis.compare.verdicts import Verdict
from analysis.read.value import Value

CpuVerdict = Callable[[str, str, float], Verdict]
"""Server CPU of the second contender against the first's, near an arrival rate."""


class Answer(StrEnum):
    CHOOSE = "choose"
    NONE_MEETS_SLO = "none_meets_slo"
    NOT_ENOUGH_EVIDENCE = "not_enough_evidence"


class Why(StrEnum):
    """Why an answer is given: the first three choose, the next three lack evidence, the last says
    that every contender missed the SLO."""

    ONLY_CERTIFIED = "only_certified"
    LEAST_COMPLEX = "least_complex"
    LEAST_CPU = "least_cpu"
    NONE_SHOWN = "none_shown"
    SIMPLER_MIGHT = "simpler_might"
    NEIGHBOURS_DIFFER = "neighbours_differ"
    ALL_MISSED = "all_missed"


class Because(Value):
    """What an answer rests on."""

    why: Why = Field(
        description="What decided; least_cpu: among those of the lowest operational complexity; "
        "none_shown and simpler_might: contenders that might meet the SLO stand in the way; "
        "neighbours_differ: the tested rates on both sides have other answers."
    )
    complexity: float | None = Field(
        default=None,
        description="Operational complexity of the choice; null where it did not decide.",
    )
    certified: str | None = Field(
        default=None, description="Contender that simpler ones keep from being chosen; null: none."
    )
    might: list[str] = Field(default=[], description="Contenders that might meet the SLO.")


class MeasuredAt(Value):
    """Contenders that were measured at the same rates, of those at which nobody meets the SLO."""

    rates_rps: list[float] = Field(description="Those rates; empty: only lower ones.")
    contenders: list[str] = Field(description="Their names.")


class Choice(Value):
    """The answer for a range of tested arrival rates."""

    from_rps: float = Field(description="Lowest tested arrival rate with this answer.")
    to_rps: float = Field(description="Highest tested arrival rate with this answer.")
    rates_rps: list[float] = Field(description="Every tested arrival rate with this answer.")
    answer: Answer = Field(description="What kind of answer it is.")
    contender: str | None = Field(description="The contender to choose; null: none.")
    equals: list[str] = Field(
        default=[],
        description="Certified contenders as simple as it, and not shown to need more or less "
        "server CPU: any of them would do.",
    )
    because: list[Because] = Field(description="Why; several where it differs within the range.")
    blocks_health: bool = Field(
        default=False, description="Whether the contender blocks its own health endpoint."
    )
    measured: list[MeasuredAt] = Field(
        default=[],
        description="Where nobody meets the SLO: who was measured at which of these rates.",
    )


@dataclass(frozen=True)
class Candidates:
    """Who may be chosen. capacities under the main SLO, in the experiment's order; complexity:
    operational, by name; blocking: who blocks its own health endpoint; out: wrong answers or never
    started."""

    capacities: Sequence[Capacity]
    complexity: Mapping[str, float]
    blocking: frozenset[str] = field(default_factory=frozenset)
    out: frozenset[str] = field(default_factory=frozenset)


def choose(
    candidates: Candidates, rates_rps: Sequence[float], cpu_verdict: CpuVerdict
) -> list[Choice]:
    """The answers by range of arrival rates, ascending; neighbours with one answer are merged."""
    singles = [choose_at(candidates, rate_rps, cpu_verdict) for rate_rps in sorted(rates_rps)]
    groups = groupby(singles, key=lambda c: (c.answer, c.contender, tuple(c.equals)))
    return [_merged(candidates, list(group)) for _, group in groups]


def choose_at(candidates: Candidates, rate_rps: float, cpu_verdict: CpuVerdict) -> Choice:
    """The answer at one arrival rate."""
    parts = candidates.complexity
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
        because = Because(why=Why.NONE_SHOWN, might=unsure)
        return _answer(rate_rps, Answer.NOT_ENOUGH_EVIDENCE, because)
    if not sure:
        return _answer(rate_rps, Answer.NONE_MEETS_SLO, Because(why=Why.ALL_MISSED))
    least = min(parts.get(name, 0) for name in sure)
    simplest = [name for name in sure if parts.get(name, 0) == least]
    simplest.sort(key=lambda name: name in candidates.blocking)
    best, equals = _least_cpu(simplest, rate_rps, cpu_verdict)
    simpler = [name for name in unsure if parts.get(name, 0) < least]
    if simpler:
        # Naming the winner here would reward it for its rival's failed measurement.
        because = Because(why=Why.SIMPLER_MIGHT, certified=best, might=simpler)
        return _answer(rate_rps, Answer.NOT_ENOUGH_EVIDENCE, because)
    why = Why.LEAST_COMPLEX if len(simplest) == 1 or equals else Why.LEAST_CPU
    because = Because(why=why, complexity=least)
    if len(sure) == 1:
        because = Because(why=Why.ONLY_CERTIFIED)
    found = _answer(rate_rps, Answer.CHOOSE, because, best, equals)
    return found.model_copy(update={"blocks_health": best in candidates.blocking})


def _least_cpu(
    names: Sequence[str], rate_rps: float, cpu_verdict: CpuVerdict
) -> tuple[str, list[str]]:
    """The first contender that no other is shown to beat, and the others that are as good.

    Order decides between equals, not the figures: a choice must not flip by chance.
    """
    best = names[0]
    for name in names[1:]:
        if cpu_verdict(best, name, rate_rps) is Verdict.BETTER:
            best = name
    others = [name for name in names if name != best]
    return best, [n for n in others if cpu_verdict(best, n, rate_rps) is not Verdict.WORSE]


def _measured(candidates: Candidates, rates_rps: Sequence[float]) -> list[MeasuredAt]:
    """Which contenders were measured at which of the rates at which nobody meets the SLO."""
    by_rates: dict[tuple[float, ...], list[str]] = {}
    for capacity in candidates.capacities:
        if capacity.contender not in candidates.out:
            measured = tuple(rate for rate in rates_rps if capacity.measured_at(rate))
            by_rates.setdefault(measured, []).append(capacity.contender)
    most_first = sorted(by_rates.items(), key=lambda item: -len(item[0]))
    return [MeasuredAt(rates_rps=list(rates), contenders=names) for rates, names in most_first]


def _merged(candidates: Candidates, same: Sequence[Choice]) -> Choice:
    first, rates_rps = same[0], [choice.from_rps for choice in same]
    missed = first.answer is Answer.NONE_MEETS_SLO
    reasons = [reason for choice in same for reason in choice.because]
    changes = {
        "to_rps": rates_rps[-1],
        "rates_rps": rates_rps,
        "because": [reason for i, reason in enumerate(reasons) if reason not in reasons[:i]],
        "measured": _measured(candidates, rates_rps) if missed else [],
    }
    return first.model_copy(update=changes)


def _answer(
    rate_rps: float,
    answer: Answer,
    because: Because,
    contender: str | None = None,
    equals: Sequence[str] = (),
) -> Choice:
    return Choice(
        from_rps=rate_rps,
        to_rps=rate_rps,
        rates_rps=[rate_rps],
        answer=answer,
        contender=contender,
        equals=list(equals),
        because=[because],
    )
