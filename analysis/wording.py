"""Numbers and ratios as a reader sees them."""

from analysis.compare import Bound


def number(value: float | None) -> str:
    """Three significant digits or more, a dash for null: 0.0421, 12.0, 1,234."""
    if value is None:
        return "–"
    if value == 0:
        return "0"
    return f"{value:#,.3g}".rstrip(".") if abs(value) < 999.5 else f"{value:,.0f}"


def percent(value: float | None) -> str:
    return "–" if value is None else f"{number(value * 100)} %"


def times(ratio: float | None, bound: Bound | None = None) -> str:
    """A ratio as 2.4×, with how exactly it is known: at least 2.4×."""
    if ratio is None:
        return "–"
    known = "" if bound in (None, Bound.EXACT) else f"{bound} "
    return f"{known}{number(ratio)}×"


def mebibytes(value_bytes: int | None) -> str:
    return number(None if value_bytes is None else value_bytes / 2**20)
