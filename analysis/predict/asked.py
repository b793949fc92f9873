"""Rates and growths as a person writes them."""

import re

from analysis.predict.values import PredictError

HIGHEST_RPS = 1e6
MOST_GROWTH = 1000.0

_SECONDS = {"s": 1.0, "sec": 1.0, "second": 1.0, "min": 60.0, "minute": 60.0, "h": 3600.0}
_SECONDS |= {"hour": 3600.0, "day": 86_400.0}
_THOUSANDS = {"": 1.0, "k": 1e3, "m": 1e6}
_NUMBER = r"(\d+(?:\.\d+)?|\.\d+)"
_RATE = re.compile(
    rf"{_NUMBER}\s*([km]?)\s*(?:(?:rps|qps)|(?:(?:requests|request|req)?\s*(?:/|per)\s*([a-z]+)))?"
)
_GROWTH = re.compile(rf"(?:x\s*)?{_NUMBER}\s*[x×]?")
_MORE = re.compile(rf"\+\s*{_NUMBER}\s*%")


def rate_from(text: str) -> float:
    """Requests a second of '500', '500/s', '500 rps', '1.2k qps', '30k/min' or '2M per day'."""
    found = _RATE.fullmatch(text.strip().lower().replace(",", ""))
    per = _SECONDS.get(found[3] or "s") if found else None
    rate_rps = float(found[1]) * _THOUSANDS[found[2]] / per if found and per else 0.0
    if not 0 < rate_rps <= HIGHEST_RPS:
        raise PredictError(
            f"expected an arrival rate above 0 and up to {HIGHEST_RPS:,.0f}/s, such as 500, 500/s "
            f"or 30k/min, found {text!r}: correct --rate."
        )
    return rate_rps


def growth_from(text: str) -> float:
    """The factor in '2x', '2', 'x2' or '+50%'."""
    asked = text.strip().lower()
    plain, more = _GROWTH.fullmatch(asked), _MORE.fullmatch(asked)
    factor = float(plain[1]) if plain else 1 + float(more[1]) / 100 if more else 0.0
    if not 0 < factor <= MOST_GROWTH:
        raise PredictError(
            f"expected a growth such as 2x or +50%, above 0 and up to {MOST_GROWTH:,.0f}x, found "
            f"{text!r}: correct --growth."
        )
    return factor
