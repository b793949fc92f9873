"""A budget of time as a person gives it, and what is said of it before anything starts."""

import pytest

from loadtests.plan.time_budget import (
    BudgetError,
    TimeBudget,
    plan_in_words,
    report_s,
    seconds,
)
from loadtests.records.durations import clock


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


def test_the_plan_says_how_many_rounds_there_will_be() -> None:
    budget = TimeBudget(200, began_s=1000, report_s=12)
    said = plan_in_words(budget, now_s=1070, before_s=20, round_s=25)
    assert (
        said == "Time budget 3:20, of which 1:10 is used: about 3 rounds of 0:25, then the report."
    )


def test_a_budget_for_less_than_one_round_is_refused_with_what_it_would_take() -> None:
    budget = TimeBudget(60, began_s=1000)
    least = clock(10 + 20 + 40 + budget.closing_s)
    with pytest.raises(BudgetError, match=f"at least {least}.*found 1:00") as refused:
        plan_in_words(budget, now_s=1010, before_s=20, round_s=40)
    assert "\n" not in str(refused.value)
