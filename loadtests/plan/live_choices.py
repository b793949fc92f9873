"""What a person can choose in the browser: for load by hand and for a comparison. Pure."""

import math
from collections.abc import Mapping, Sequence

from loadtests.records.arrivals import Arrivals, Constant, Gamma, Poisson
from loadtests.wire.texts import TrafficText
from servers.contract import MAX_LENGTH_TOKENS

HIGHEST_RATE_RPS = 5000.0

LOADS = OPEN, CLOSED = "open loop: requests per second", "closed loop: users"

ARRIVALS: Mapping[str, Arrivals] = {
    "independent callers (Poisson)": Poisson(),
    "equal gaps (constant)": Constant(kind="constant"),
    "bursts (gamma, cv 3)": Gamma(kind="gamma", cv=3),
}
LENGTHS: Mapping[str, tuple[int, int]] = {
    "as they come": (0, MAX_LENGTH_TOKENS),
    "short (up to 16 tokens)": (0, 16),
    "medium (17 to 64 tokens)": (17, 64),
    "long (over 64 tokens)": (65, MAX_LENGTH_TOKENS),
}
"""Fewest and most tokens of a text."""


def texts_of(lengths: str, texts: Sequence[TrafficText]) -> list[str]:
    """Those that have such lengths."""
    low, high = LENGTHS[lengths]
    return [each.text for each in texts if low <= each.n_tokens <= high]


def live_problem(rate_rps: float, open_loop: bool) -> str:
    """Why a load by hand cannot begin; empty where it can."""
    if open_loop and not (math.isfinite(rate_rps) and 0 < rate_rps <= HIGHEST_RATE_RPS):
        return (
            f"expected a rate above 0 and of at most {HIGHEST_RATE_RPS:g} requests a second, found "
            f"{rate_rps:g}: correct it and start again."
        )
    return ""
