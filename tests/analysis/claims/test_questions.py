"""The verdicts that rest on the questions follow from their figures, and change with them."""

from pathlib import Path

import pytest

from analysis.claims.questions import QUESTIONS, checks_of
from analysis.claims.statements import (
    JudgedBy,
    StatementVerdict,
    judge_statement,
    read_chapters,
    statement_numbered,
)
from analysis.report.questions_page import FILE, SECTION, questions_page
from loadtests.records.markdown import with_section
from loadtests.records.questions import Answer, Questions, read_questions
from loadtests.selfcheck import triton_questions

ROOT = Path(__file__).parents[3]
CHAPTERS = read_chapters()
COMMITTED = read_questions(FILE)

BREAKING = {
    "transport": ("588 KiB, HTTP, JSON", "p50_ms", 0.001),
    "queue-delay": ("5 ms, 48 callers", "rows_per_s", 1e6),
    "preferred-sizes": ("4, 8, 16, 32, no delay, 16 callers", "rows_per_s", 1e6),
    "instances": ("works, 4 instances", "rows_per_s", 1e6),
    "lengths": ("32 lengths", "rows_per_execution", 20.0),
    "client-batches": ("4 callers of 32 rows, batcher", "rows_per_s", 1e6),
    "perf-analyzer": ("-b 32, 4 at once, batcher", "rows_per_s", 1e6),
    "two-classes": ("level 1, 4 callers", "p99_ms", 1e6),
    "heavy-beside-light": ("heavy model in another process", "rows_per_s", 0.001),
    "response-cache": ("cached, the same request", "p50_ms", 1e6),
    "dead-stub": ("stub killed", "ready", 400.0),
    "roll-out": ("Triton, both", "failed", 1.0),
}
"""By question: a figure that would say something else."""


def changed(question: str, case: str, name: str, value: float | None) -> Questions:
    def of(answer: Answer) -> Answer:
        if answer.question != question:
            return answer
        cases = [
            each.model_copy(update={"values": each.values | {name: value}})
            if each.case == case
            else each
            for each in answer.cases
        ]
        return answer.model_copy(update={"cases": cases})

    return COMMITTED.model_copy(update={"answers": [of(each) for each in COMMITTED.answers]})


def test_every_question_that_is_asked_is_judged_and_every_judged_one_is_asked() -> None:
    assert {question.id for question in QUESTIONS} == set(triton_questions.QUESTIONS)
    assert {each.question for each in COMMITTED.answers} == set(triton_questions.QUESTIONS)


def test_the_committed_answers_are_as_expected() -> None:
    assert [each.found for each in checks_of(COMMITTED) if not each.as_expected] == []


@pytest.mark.parametrize("question", BREAKING)
def test_another_figure_is_not_as_expected(question: str) -> None:
    case, name, value = BREAKING[question]
    own = {number for each in QUESTIONS if each.id == question for number in each.statements}
    found = checks_of(changed(question, case, name, value))
    broken = [check for check in found if not check.as_expected]
    assert broken
    assert {number for check in broken for number in check.statements} <= own


@pytest.mark.parametrize("question", [q for q in BREAKING])
def test_a_figure_that_is_missing_is_not_as_expected(question: str) -> None:
    case, name, _ = BREAKING[question]
    broken = [c for c in checks_of(changed(question, case, name, None)) if not c.as_expected]
    assert any(f"{name} of {case!r} was not measured" in check.found for check in broken)


def test_words_of_another_refusal_are_not_as_expected() -> None:
    (answer,) = [each for each in COMMITTED.answers if each.question == "queue-policy"]
    cases = [each.model_copy(update={"said": {"answered": 24}}) for each in answer.cases]
    other = COMMITTED.model_copy(update={"answers": [answer.model_copy(update={"cases": cases})]})
    assert [check.as_expected for check in checks_of(other)] == [False]


def test_a_question_that_was_left_out_decides_nothing() -> None:
    left = Answer(question="transport", seconds=0, cases=[], left_out="no server")
    assert checks_of(COMMITTED.model_copy(update={"answers": [left]})) == []


@pytest.mark.parametrize("question", BREAKING)
def test_statements_about_the_server_lose_their_verdict_with_the_figure(question: str) -> None:
    before, after = checks_of(COMMITTED), checks_of(changed(question, *BREAKING[question]))
    for number in {n for each in QUESTIONS if each.id == question for n in each.statements}:
        statement = statement_numbered(CHAPTERS, number)
        found = [judge_statement(statement, {}, checks) for checks in (before, after)]
        assert found[0].checks
        if statement.judged_by is JudgedBy.SERVER and found[1].checks != found[0].checks:
            assert found[0].verdict is statement.verdict
            broken = not all(check.as_expected for check in found[1].checks)
            assert (found[1].verdict is StatementVerdict.UNDECIDED) is broken


def test_the_committed_page_is_that_of_the_committed_answers() -> None:
    text = (ROOT / "docs/triton-questions.md").read_text(encoding="utf-8")
    assert with_section(text, SECTION, questions_page(COMMITTED)) == text
