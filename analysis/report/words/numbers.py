"""Numbers, ratios and intervals as a reader sees them."""

from collections.abc import Callable, Mapping

from analysis.compare.ratios import Bound, CapacityRatio
from analysis.compare.verdicts import Ratio
from analysis.report.words.codes import said

NONE = "–"


def number(value: float | None) -> str:
    """Three significant digits or more, a dash for null: 0.0421, 12.0, 1,234."""
    if value is None:
        return NONE
    if value == 0:
        return "0"
    return f"{value:#,.3g}".rstrip(".") if abs(value) < 999.5 else f"{value:,.0f}"


def count(value: int | None) -> str:
    return NONE if value is None else f"{value:,}"


def percent(value: float | None) -> str:
    return NONE if value is None else f"{number(value * 100)}\N{NO-BREAK SPACE}%"


def exact_percent(share: float) -> str:
    """A share that was set, not measured, without invented digits: 95 %."""
    return f"{share * 100:g}\N{NO-BREAK SPACE}%"


def plain(value: float | None) -> str:
    """A value that was set, not measured, without invented digits: 75, 93.8, 1,600."""
    if value is None:
        return NONE
    return f"{value:,.4g}" if abs(value) < 9999.5 else f"{value:,.0f}"


def rate(value_rps: float | None) -> str:
    """An arrival rate as it was set: 75 rps."""
    return NONE if value_rps is None else f"{plain(value_rps)} rps"


def level(label: str) -> str:
    """A load level by its name: 183 rps for 183rps, 4 callers for c4."""
    if label.endswith("rps"):
        return rate(float(label.removesuffix("rps")))
    return "1 caller" if label == "c1" else f"{label.removeprefix('c')} callers"


def mebibytes(value_bytes: int | None) -> str:
    return number(None if value_bytes is None else value_bytes / 2**20)


def flops(value_per_s: float | None) -> str:
    """Operations a second with their unit: 7.02 TFLOP/s, 5.93 GFLOP/s."""
    if value_per_s is None:
        return NONE
    scale, unit = (1e12, "TFLOP/s") if value_per_s >= 1e12 else (1e9, "GFLOP/s")
    return f"{number(value_per_s / scale)}\N{NO-BREAK SPACE}{unit}"


def shares(by_name: Mapping[str, float] | None) -> str:
    """Shares by name, the largest first: software power cap 40 %."""
    if by_name is None:
        return NONE
    ordered = sorted(by_name.items(), key=lambda item: -item[1])
    return ", ".join(f"{name} {percent(share)}" for name, share in ordered) or "never"


def times(ratio: float | None, bound: Bound | None = None) -> str:
    """A ratio as 2.4×, with how exactly it is known: at least 2.4×."""
    if ratio is None:
        return NONE
    known = "" if bound in (None, Bound.EXACT) else f"{said(bound)} "
    return f"{known}{number(ratio)}×"


def interval(
    low: float | None, high: float | None, worded: Callable[[float | None], str] = number
) -> str:
    """The two ends in words, an open one said: 1.20 to 3.40, at least 1.20, at most 3.40."""
    if low is None and high is None:
        return NONE
    if high is None:
        return f"at least {worded(low)}"
    return f"at most {worded(high)}" if low is None else f"{worded(low)} to {worded(high)}"


def times_within(ratio: float | None, low: float | None, high: float | None) -> str:
    """A ratio with its interval: 2.40× (2.10 to 2.80); a dash where nothing bounds it."""
    if low is None and high is None:
        return NONE
    if ratio is None:
        return f"{interval(low, high)}×"
    return f"{times(ratio)} ({interval(low, high)})"


def verdict(ratio: Ratio | CapacityRatio | None) -> str:
    """What was found, with the ratio and its interval: better: 0.420× (0.380 to 0.470)."""
    if ratio is None:
        return NONE
    if ratio.ratio is None and ratio.low is None and ratio.high is None:
        return said(ratio.verdict)
    return f"{said(ratio.verdict)}: {times_within(ratio.ratio, ratio.low, ratio.high)}"
