"""What happens beyond capacity, in words."""

from collections.abc import Sequence

from analysis.overload.beyond import BeyondCapacity, Outcome
from analysis.overload.points import OverloadPoint
from analysis.report.summary import Summary
from analysis.report.words.codes import listed
from analysis.report.words.numbers import NONE, number, percent

REFUSES = 0.01
"""Share of refusals from which a contender is said to refuse the rest."""

AT_ONCE_S = 0.05
"""A recovery sooner than that is one between two requests."""


def at_the_top(summary: Summary) -> str | None:
    """One sentence, or two where recoveries were watched; None: nothing was tried."""
    tried = [b for b in summary.beyond_capacity if b.outcome is not Outcome.NOT_TRIED]
    if not tried:
        return None
    groups = [(said, [b for b in tried if b.outcome is outcome]) for outcome, said in _TOP.items()]
    parts = [said(group) for said, group in groups if group]
    overloads = [found.overload for found in tried if found.overload]
    return f"{_occasion(overloads)}: {'; '.join(parts)}.{_slowest(overloads)}"


def of_contender(found: BeyondCapacity) -> str:
    """What one contender does at the highest load beyond its capacity, how it is bounded, and how
    long it takes to recover."""
    if found.outcome is Outcome.NOT_TRIED:
        return f"Nothing usable was measured beyond its capacity. {_bounds(found)}"
    failed = _failed(found.overload) if found.overload else ""
    recovered = f" {recovery(found.overload)}" if found.overload else ""
    return f"O{answers(found)[1:]}{failed}. {_bounds(found)}{recovered}"


def answers(found: BeyondCapacity) -> str:
    """What one contender answers beyond its capacity."""
    base = "the capacity that its search found" if found.overload else "the highest rate it met"
    load = f"offered {number(found.offered_rps)} rps, {_multiple(found)} times {base}"
    return f"{load}, it {_answers(found)}"


def recovery(overload: OverloadPoint) -> str:
    """How long after an overload requests were in time again."""
    n, n_recovered = overload.n_repeats, overload.n_recovered
    watched = number(overload.watched_s)
    if not overload.recovery_range:
        return f"It did not recover within {watched} s."
    low, high = overload.recovery_range.low, overload.recovery_range.high
    if n_recovered < n:
        first = _after(low)
        return f"It recovered within {watched} s in {n_recovered} of {n} repeats, at best {first}."
    each = f" ({number(low)} to {number(high)} s over {n} repeats)" if low != high else ""
    return f"It recovered {_after(overload.recovery_s or 0.0)}{each}."


def recovery_time(overload: OverloadPoint) -> str:
    """The same in a cell of a table: 0.950 (0.901 to 1.00), or more than 3.50."""
    seen = overload.recovery_range
    if overload.recovery_s is None or seen is None:
        return f"more than {number(overload.watched_s)}"
    n_missing = overload.n_repeats - overload.n_recovered
    most = f"more than {number(overload.watched_s)}" if n_missing else number(seen.high)
    return f"{number(overload.recovery_s)} ({number(seen.low)} to {most})"


def failures(overload: OverloadPoint) -> str:
    """Failed requests by status: http_503 37.6 %, timeout 0.100 %."""
    shares = {
        status: count / overload.metrics.n_offered for status, count in overload.failures.items()
    }
    return ", ".join(f"{status} {percent(share)}" for status, share in shares.items()) or NONE


def _occasion(overloads: Sequence[OverloadPoint]) -> str:
    if not overloads:
        return "Beyond capacity, at the highest arrival rate tried"
    factors = sorted({overload.factor for overload in overloads})
    times = listed([f"{factor:g}" for factor in factors])
    return f"Beyond capacity, at {times} times the capacity that its search found"


def _kept(group: Sequence[BeyondCapacity]) -> str:
    shed = all(found.overload and found.overload.rejected_ratio >= REFUSES for found in group)
    who = _verb(group, "still answers its capacity in time", "still answer their capacity in time")
    return f"{_names(group)} {who}{', refusing the rest' if shed else ''}"


def _late(group: Sequence[BeyondCapacity]) -> str:
    who = _verb(group, "answers as many requests as it can", "answer as many requests as they can")
    return f"{_names(group)} {who}, but late"


def _fewer(group: Sequence[BeyondCapacity]) -> str:
    who = _verb(group, "answers fewer requests than it can", "answer fewer requests than they can")
    shares = listed([percent(found.throughput_ratio) for found in group])
    return f"{_names(group)} {who} ({shares} of the most)"


_TOP = {
    Outcome.KEEPS_GOODPUT: _kept,
    Outcome.ANSWERS_LATE: _late,
    Outcome.ANSWERS_FEWER: _fewer,
}


def _slowest(overloads: Sequence[OverloadPoint]) -> str:
    """Who was the first to answer in time again, who the last, and who was not seen to."""
    if not overloads:
        return ""
    seen = {o.contender: o.recovery_s for o in overloads if o.recovery_s is not None}
    never = [o.contender for o in overloads if o.recovery_s is None]
    parts = []
    if seen:
        first, last = min(seen, key=lambda n: seen[n]), max(seen, key=lambda n: seen[n])
        parts.append(f"{first} was in time again {_after(seen[first])}")
        parts += [] if first == last else [f"{last} {_after(seen[last])}"]
    if never:
        watched = number(max(o.watched_s for o in overloads))
        was = "was" if len(never) == 1 else "were"
        again = "not" if seen else f"{was} not in time again"
        parts.append(f"{listed(never)} {again} within {watched} s")
    return f" Back at half of capacity, {', '.join(parts)}."


def _after(recovery_s: float) -> str:
    return "at once" if recovery_s < AT_ONCE_S else f"after {number(recovery_s)} s"


def _names(group: Sequence[BeyondCapacity]) -> str:
    return listed([found.contender for found in group])


def _verb(group: Sequence[BeyondCapacity], one: str, several: str) -> str:
    return one if len(group) == 1 else several


def _multiple(found: BeyondCapacity) -> str:
    return f"{found.overload.factor:g}" if found.overload else number(found.factor)


def _answers(found: BeyondCapacity) -> str:
    answered, in_time = number(found.throughput_rps), number(found.goodput_rps)
    return {
        Outcome.KEEPS_GOODPUT: f"answers {in_time} rps in time, {percent(found.goodput_ratio)} of "
        "that capacity",
        Outcome.ANSWERS_LATE: f"answers {answered} rps, {in_time} of them in time",
        Outcome.ANSWERS_FEWER: f"answers {answered} rps, {percent(found.throughput_ratio)} of the "
        f"{number(found.most_rps)} rps that it can answer, and {in_time} of them in time",
    }[found.outcome]


def _failed(overload: OverloadPoint) -> str:
    text = ""
    if overload.rejected_ratio:
        after = overload.rejected_p50_ms
        text += f"; it refuses {percent(overload.rejected_ratio)} of the requests"
        text += "" if after is None else f", half of them within {number(after)} ms"
    if overload.timed_out_ratio:
        text += f"; {percent(overload.timed_out_ratio)} of the requests time out"
    return text


def _bounds(found: BeyondCapacity) -> str:
    if not found.bounds:
        return "None of its options bounds how many requests wait, or for how long."
    named = [f"{name} = {value}" for name, value in found.bounds.items()]
    return f"Its bound on what waits: {listed(named)}."
