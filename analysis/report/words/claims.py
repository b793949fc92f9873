"""What was measured of each claim, in words; what is claimed stands in the catalogue."""

from collections.abc import Callable, Mapping, Sequence

from analysis.claims.judge import ClaimFound, ClaimMeasurement, ClaimVerdict, Condition, Quantity
from analysis.report.words.codes import said
from analysis.report.words.numbers import interval, level, number, percent, plain, rate, times


def verdict(claim: ClaimFound) -> str:
    """The verdict; where the claim holds for some readings only, with those."""
    if claim.verdict is not ClaimVerdict.ONLY_WHEN:
        return said(claim.verdict)
    return f"{said(claim.verdict)}: {'; '.join(measured(found) for found in claim.held)}"


_UNMET = {
    Condition.GPU: "no contender of this run is on a GPU",
    Condition.ROOM: "no engine of this run is known to have room at batch 1: measured alone "
    "([engines]), batches must make it at least twice as fast",
}


def unmet(claim: ClaimFound) -> str:
    """Why a claim is not testable here: not testable here, because ..."""
    return "; ".join(_UNMET[condition] for condition in claim.unmet)


def unjudged(claims: Sequence[ClaimFound]) -> dict[str, list[ClaimFound]]:
    """The claims that a run does not judge, by why not."""
    found: dict[str, list[ClaimFound]] = {}
    for claim in claims:
        why = f"Not testable here, because {unmet(claim)}" if claim.unmet else "Not measured here"
        found.setdefault(why, []).append(claim)
    return found


def measured(found: ClaimMeasurement) -> str:
    """What was compared, and where."""
    at = f" at {level(found.level)}" if found.level else ""
    return {
        Quantity.CAPACITY: f"capacity of {found.of}",
        Quantity.CAPACITY_RATIO: f"capacity, {found.of} over {found.over}",
        Quantity.CAPACITY_PER_INSTANCE: f"capacity, {found.of} over {found.n_instances} times "
        f"{found.over}",
        Quantity.P50_RATIO: f"P50, {found.of} over {found.over}{at}",
        Quantity.P50_OUTSIDE_MODEL: f"{found.of}, P50{at}",
        Quantity.MEAN_BATCH: f"{found.of}{at}",
        Quantity.GPU_BUSY: f"{found.of}, time busy",
        Quantity.SM_ACTIVE: f"{found.of}, SM active",
        Quantity.ENGINE_RATE_RATIO: f"{found.of} over {found.over}, alone, batch {found.batch}, "
        f"{found.length_tokens} tokens",
        Quantity.RATE_LOST: f"{found.of} in {' + '.join(found.beside)}",
    }[found.quantity]


_Worded = Callable[[float | None], str]
_IN_UNIT: Mapping[str, tuple[_Worded, _Worded]] = {
    "ratio": (times, number),
    "share": (percent, percent),
    "rps": (rate, plain),
}
"""How a figure is written, and the ends of its interval behind it."""


def reading(found: ClaimMeasurement, unit: str) -> str:
    """The figure in its unit, with its interval where it has one."""
    worded, inside = _IN_UNIT.get(unit, (number, number))
    if {found.low, found.high} in ({found.value}, {None}):
        return worded(found.value)
    if found.value is None:
        return interval(found.low, found.high, worded)
    return f"{worded(found.value)} ({interval(found.low, found.high, inside)})"
