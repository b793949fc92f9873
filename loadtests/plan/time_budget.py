"""The time budget of a whole command: how it is read, and what is said of it. Pure."""

import re
from dataclasses import dataclass

from loadtests.records.durations import clock

CLOSING_S = 4.0
"""Reserved for stopping the last server and writing what is complete."""

MOST_S = 30 * 86_400.0
UNITS_S = {"s": 1, "m": 60, "min": 60, "h": 3600}


class BudgetError(ValueError):
    """A budget of time that cannot be read, or that is too short for anything."""


@dataclass(frozen=True)
class TimeBudget:
    """length_s of wall clock from began_s (time.monotonic) on, everything included; report_s of it
    are for the report."""

    length_s: float
    began_s: float
    report_s: float = 0.0

    @property
    def until_s(self) -> float:
        """When measuring must stop."""
        return self.began_s + self.length_s - self.closing_s

    @property
    def closing_s(self) -> float:
        return CLOSING_S + self.report_s


def report_s(imports_s: float) -> float:
    """How long the report is expected to take where its imports took imports_s.

    For the default study's 60 trials it took 10 s after imports of 4.2 s, 11.6 s after 9.2 s, and
    13 s on a fresh clone.
    """
    return min(60.0, max(12.0, 2.5 * imports_s))


def seconds(text: str) -> float:
    """The length that `540s`, `9m` or `1h` names; BudgetError where it names none.

    A bare number is refused: 9 was meant as minutes and read as seconds.
    """
    parts = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(s|min|m|h)\s*", text)
    length_s = float(parts[1]) * UNITS_S[parts[2]] if parts else 0.0
    if not 0 < length_s <= MOST_S:
        raise BudgetError(
            "expected a time budget with its unit, such as 540s, 9m or 1h, of at most "
            f"{MOST_S / 3600:g}h, found {text!r}; correct --time-budget."
        )
    return length_s


def plan_in_words(budget: TimeBudget, now_s: float, before_s: float, round_s: float) -> str:
    """How many rounds of round_s there will be once before_s are over, and when the run ends.

    BudgetError where not even one fits.
    """
    used_s, left_s = now_s - budget.began_s, budget.until_s - now_s
    rounds = int((left_s - before_s) / round_s)
    if rounds < 1:
        needed_s = used_s + before_s + round_s + budget.closing_s
        raise BudgetError(
            f"expected a time budget of at least {clock(needed_s)} (used so far {clock(used_s)}; "
            f"the starts {clock(before_s)}; one round {clock(round_s)}; the end "
            f"{clock(budget.closing_s)}), found {clock(budget.length_s)}; give more time, or name "
            "fewer contenders."
        )
    report = "the report" if budget.report_s else "no report"
    return (
        f"Time budget {clock(budget.length_s)}, of which {clock(used_s)} is used: about {rounds} "
        f"round{'s' if rounds > 1 else ''} of {clock(round_s)}, then {report}."
    )
