"""The decision record over a synthetic run: nothing here was measured."""

import pytest

from analysis.capacity.cost import price_given
from analysis.decide.asked import Asked
from analysis.read.run import load_run
from analysis.report.render import render_decision
from analysis.report.summary import summarise
from analysis.report.words import record
from analysis.report.words.answer import what_to_use
from analysis.report.words.numbers import interval


@pytest.fixture(scope="module")
def asked(full_run):
    price = price_given(2.0, "EUR")
    return summarise(load_run(full_run), Asked(price, 1120.0, 0.7, {"tritonserver": 2.0}))


@pytest.fixture(scope="module")
def text(asked) -> str:
    return render_decision(asked)


def facts_of(summary, name):
    return next(contender for contender in summary.contenders if contender.name == name)


def test_the_record_is_one_decision_for_the_rate_asked_for(asked, text):
    decided = asked.recommendation.decision
    assert decided.replicas
    title = f"Serve the classifier with {decided.replicas} replicas of {decided.choice.contender}"
    assert f"\n# {title} for 1,120 rps\n" in text
    assert text.count("Chosen option: ") == 1
    assert "1,120 rps, as asked; each replica may be planned up to 70" in text


def test_every_option_has_its_replicas_and_cost(asked, text):
    for needs in asked.recommendation.decision.needs:
        assert f"| {needs.contender} | {record.replica_range(needs)} |" in text
        if needs.replicas:
            assert needs.cost_per_hour == 2.0 * needs.replicas


def test_every_option_has_what_speaks_for_and_against_it(asked, text):
    for contender in asked.contenders:
        told = record.good_and_bad(contender, asked)
        assert told
        assert all(each.split(",")[0] in ("Good", "Neutral", "Bad") for each in told)
        assert f"\n### {contender.name}\n" in text


def test_the_effort_to_operate_is_itemised_with_its_weights(asked):
    told = record.effort(facts_of(asked, "triton"), asked)
    assert told == "6: tritonserver (× 2), one stub, another, repository, network"


def test_a_blocked_health_endpoint_speaks_against_an_option(asked):
    blocking = facts_of(asked, "triton").model_copy(update={"blocks_health": True})
    told = record.good_and_bad(blocking, asked)
    assert "Bad, because its health endpoint does not answer while it computes." in told


def test_confirmation_asks_for_ratios_within_their_intervals_and_no_rates(asked):
    chosen = asked.recommendation.decision.choice.contender
    capacity = next(c for c in asked.capacity_ratios if c.contender == chosen)
    known = capacity.model_copy(update={"low": 1.5, "ratio": 2.0, "high": 2.5})
    told = record.confirmation(asked.model_copy(update={"capacity_ratios": [known]}))
    assert told[0] == f"capacity of {chosen} over fastapi: {interval(1.5, 2.5)}"
    assert all(f"of {chosen} over fastapi" in each for each in told)
    assert any(each.startswith("server CPU of ") for each in told)


def test_confirmation_passes_where_study_agree_finds_no_contradiction(text):
    assert "\nstudy agree THIS_RUN NEW_RUN\n" in text
    assert "It passes where `study agree` finds no contradiction." in text


def test_text_of_the_record_has_no_escaped_markup_of_its_own(full_run):
    text = render_decision(summarise(load_run(full_run)))
    assert "(study report RUN --at-rate RATE)" in text
    assert "\\`" not in text


def test_brackets_are_explained_only_where_a_number_of_replicas_has_them(asked, text):
    bracketed = any(
        "(at least" in record.replica_range(n) for n in asked.recommendation.decision.needs
    )
    assert ("In brackets: " in text) == bracketed


def test_the_answer_stands_before_everything_but_warnings(asked, text):
    assert text.index(what_to_use(asked)[:30]) < text.index("## Context")


def test_the_date_to_look_again_is_half_a_year_after_the_run(asked, text):
    assert asked.manifest.created_at.startswith("2026-11-21")
    assert record.look_again(asked) == "2027-05-22"
    assert "Review this on 2027-05-22" in text


def test_the_rule_for_a_rate_that_nobody_asked_for_is_said(full_run):
    summary = summarise(load_run(full_run))
    told = record.stated(summary.recommendation.decision)
    assert told.startswith("800 rps, the highest arrival rate at which every contender was")


def test_a_rate_that_nothing_was_tested_near_is_not_decided(full_run):
    summary = summarise(load_run(full_run), Asked(at_rate_rps=60.0))
    choice = summary.recommendation.decision.choice
    beside = {found.contender for found in summary.recommendation.decision.neighbours}
    assert (choice.contender is not None) == (beside == {choice.contender})
