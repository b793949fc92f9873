"""Beyond capacity, in words. The numbers are those of synthetic queues."""

import re

import pytest

from analysis.overload.beyond import Outcome
from analysis.report.render import render_decision, render_report
from analysis.report.words.overload import at_the_top, of_contender, recovery, recovery_time


def plain_blanks(text: str) -> str:
    return text.replace("\N{NO-BREAK SPACE}", " ")


@pytest.fixture
def told(overload_summary):
    found = {each.contender: each for each in overload_summary.beyond_capacity}
    return lambda name, **changes: plain_blanks(
        of_contender(found[name].model_copy(update=changes))
    )


def test_the_top_says_who_keeps_answering_who_is_late_and_who_answers_fewer(overload_summary):
    assert plain_blanks(at_the_top(overload_summary)) == (
        "Beyond capacity, at 2 times the capacity that its search found: sheds still answers its "
        "capacity in time, refusing the rest; queues answers as many requests as it can, but late; "
        "collapses answers fewer requests than it can (36.0 % of the most). Back at half of "
        "capacity, sheds was in time again at once, queues after 3.02 s, collapses not within 3.50 "
        "s."
    )


def test_several_contenders_with_one_outcome_are_named_together(overload_summary):
    same = [
        each.model_copy(update={"outcome": Outcome.ANSWERS_LATE})
        for each in overload_summary.beyond_capacity
        if each.outcome is not Outcome.NOT_TRIED
    ]
    top = at_the_top(overload_summary.model_copy(update={"beyond_capacity": same}))
    assert "queues, sheds and collapses answer as many requests as they can, but late." in top


def test_a_run_that_tried_nothing_beyond_capacity_says_nothing_of_it(overload_summary):
    untried = [b for b in overload_summary.beyond_capacity if b.outcome is Outcome.NOT_TRIED]
    assert at_the_top(overload_summary.model_copy(update={"beyond_capacity": untried})) is None


def test_without_overload_trials_no_recovery_is_told(collapsing):
    assert plain_blanks(at_the_top(collapsing())) == (
        "Beyond capacity, at the highest arrival rate tried: a answers fewer requests than it can "
        "(24.4 % of the most)."
    )


def test_that_nobody_recovered_is_a_whole_sentence(overload_summary):
    never = [b for b in overload_summary.beyond_capacity if b.contender == "collapses"]
    top = at_the_top(overload_summary.model_copy(update={"beyond_capacity": never}))
    assert top.endswith("Back at half of capacity, collapses was not in time again within 3.50 s.")


def test_a_contender_that_sheds_is_told_with_the_option_that_bounds_it(told):
    sentence = told("sheds")
    assert sentence.startswith("Offered ")
    assert "times the capacity that its search found, it answers 500 rps in time" in sentence
    assert "125 % of that capacity; it refuses 37.6 %" in sentence
    assert "half of them within 1.00 ms" in sentence
    assert "Its bound on what waits: max_in_progress = 20." in sentence


def test_a_collapse_is_told_against_the_most_that_was_answered(told):
    sentence = told("collapses")
    assert (
        "answers 141 rps, 36.0 % of the 392 rps that it can answer, and 23.8 of them in time"
        in (sentence)
    )
    assert "None of its options bounds how many requests wait" in sentence
    assert sentence.endswith("It did not recover within 3.50 s.")


def test_a_recovery_is_told_with_its_range_and_with_repeats_that_did_not_recover(point):
    found = point("queues", 2.0)
    assert recovery(found) == "It recovered after 3.02 s (2.97 to 3.03 s over 3 repeats)."
    once = found.model_copy(update={"n_recovered": 1})
    assert recovery(once) == "It recovered within 3.50 s in 1 of 3 repeats, at best after 2.97 s."
    assert recovery_time(found) == "3.02 (2.97 to 3.03)"
    assert recovery_time(once) == "3.02 (2.97 to more than 3.50)"
    assert recovery_time(point("collapses", 2.0)) == "more than 3.50"


def test_the_report_has_a_row_an_overload_and_a_sentence_a_contender(overload_summary):
    html = render_report(overload_summary)
    assert len(re.findall(r'data-overload="', html)) == 9
    assert re.findall(r'data-beyond="([^"]+)"', html) == ["queues", "sheds", "collapses", "untried"]
    assert 'href="#overload"' in html
    for text in (html, render_decision(overload_summary)):
        assert text.count("but late; collapses answers fewer") == 1
