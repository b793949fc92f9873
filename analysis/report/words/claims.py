"""What was measured of each claim, in words; what is claimed stands in the catalogue."""

from collections.abc import Callable, Mapping

from analysis.claims.judge import ClaimFound, ClaimMeasurement, ClaimVerdict, Quantity
from analysis.report.words.codes import said
from analysis.report.words.numbers import interval, level, number, percent, rate, times


def verdict(claim: ClaimFound) -> str:
    """The verdict; where the claim holds for some readings only, with those."""
    if claim.verdict is not ClaimVerdict.ONLY_WHEN:
        return said(claim.verdict)
    return f"{said(claim.verdict)}: {'; '.join(measured(found) for found in claim.held)}"


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


def reading(found: ClaimMeasurement, unit: str) -> str:
    """The figure in its unit, with its interval where it has one."""
    in_unit: Mapping[str, Callable[[float | None], str]]
    in_unit = {"ratio": times, "share": percent, "rps": rate}
    worded = in_unit.get(unit, number)
    if {found.low, found.high} in ({found.value}, {None}):
        return worded(found.value)
    within = interval(found.low, found.high, worded)
    return within if found.value is None else f"{worded(found.value)} ({within})"
