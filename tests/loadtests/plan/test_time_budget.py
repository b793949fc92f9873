"""A budget of time as a person gives it, and what is said of it before anything starts."""

import pytest

from loadtests.plan.tiers import Scope, Tier
from loadtests.plan.time_budget import (
    BudgetError,
    TimeBudget,
    clock,
    plan_in_words,
    report_s,
    seconds,
    with_time_left,
)

TIERS = [Tier(adds, Scope(frozenset(), frozenset())) for adds in ("once", "block 2", "block 3")]
LENGTHS_S = [60.0, 100.0, 140.0]


@pytest.mark.parametrize(
    ("text", "length_s"),
    [("540s", 540), ("9m", 540), ("9min", 540), ("1h", 3600), ("1.5 m", 90), (" 30 s ", 30)],
)
def test_a_length_is_a_number_of_seconds_minutes_or_hours(text: str, length_s: float) -> None:
    assert seconds(text) == length_s


@pytest.mark.parametrize(
    "text",
    [
        "",
        "m",
        "0",
        "9",
        "540",
        "9" * 400 + "s",
        "9" * 20 + "h",
        "-5m",
        "9 minutes",
        "9mm",
        "nan",
        "1e3",
    ],
)
def test_anything_else_is_refused_in_one_sentence(text: str) -> None:
    with pytest.raises(
        BudgetError, match="expected a time budget with its unit, such as 540s, 9m or 1h"
    ):
        seconds(text)


def test_time_for_the_report_is_kept_free_and_more_of_it_on_a_slow_machine() -> None:
    quick, slow = (TimeBudget(540, 1000, report_s(imports_s)) for imports_s in (1, 9))
    assert slow.until_s < quick.until_s < TimeBudget(540, 1000).until_s < 1540


def test_the_plan_says_what_is_measured_what_is_not_and_when_it_ends() -> None:
    budget = TimeBudget(200, began_s=1000)
    first, *lines, last = plan_in_words(TIERS, LENGTHS_S, budget, now_s=1070).splitlines()
    assert "3:20" in first
    assert "1:10 is used" in first
    assert [line.split() for line in lines] == [
        ["measured", "1:00", "once"],
        ["measured", "0:40", "block", "2"],
        ["no", "time", "0:40", "block", "3"],
    ]
    assert clock(70 + 100 + budget.closing_s) in last


def test_a_budget_for_less_than_the_least_is_refused_with_what_it_would_take() -> None:
    budget = TimeBudget(60, began_s=1000)
    least = clock(10 + 60 + budget.closing_s)
    with pytest.raises(BudgetError, match=f"at least {least}.*found 1:00") as refused:
        plan_in_words(TIERS, LENGTHS_S, budget, now_s=1010)
    assert "\n" not in str(refused.value)


def test_a_budget_that_its_end_alone_would_take_is_refused_before_anything_is_prepared() -> None:
    budget = TimeBudget(20, began_s=1000, report_s=12)
    assert with_time_left(budget, now_s=1003) == budget
    with pytest.raises(BudgetError, match=r"more than 0:05, which is used, and 0:16 for the end"):
        with_time_left(budget, now_s=1005)
