"""Every statement is there once, with what its verdict rests on; none of it can be made up."""

from pathlib import Path

import pytest

from analysis.claims.catalogue import BY_ID
from analysis.claims.judge import ClaimFound, ClaimMeasurement, Condition, Quantity, judge
from analysis.claims.questions import QUESTIONS
from analysis.claims.statements import (
    N_STATEMENTS,
    Judged,
    JudgedBy,
    Statement,
    StatementError,
    StatementVerdict,
    judge_statement,
    read_chapters,
    statement_numbered,
    verdict_named,
)
from loadtests.records.behaviour import CheckFinding
from loadtests.selfcheck.triton_checks import CHECKS

CHAPTERS = read_chapters()
STATEMENTS = [each for chapter in CHAPTERS for each in chapter.statements]

WRITTEN = """
number = 1
text = "Water is wet."
document = "guide"
judged_by = "documentation"
verdict = "holds"
evidence = "It says so."
source = "not verified"
"""
MEASURED = """
number = 1
text = "Batches merge."
document = "guide"
judged_by = "measurement"
claims = ["merging"]
corrected = "Some do."
"""


def test_every_statement_is_there_once_and_in_order() -> None:
    assert [each.number for each in STATEMENTS] == list(range(1, N_STATEMENTS + 1))


def test_every_claim_that_runs_judge_belongs_to_a_statement() -> None:
    assert {name for each in STATEMENTS for name in each.claims} == set(BY_ID)


def test_every_statement_about_the_server_has_a_check_and_every_check_a_statement() -> None:
    about_the_server = {s.number for s in STATEMENTS if s.judged_by is JudgedBy.SERVER}
    checked = {number for check in CHECKS for number in check.statements}
    asked = {number for question in QUESTIONS for number in question.statements}
    assert checked <= about_the_server
    assert about_the_server <= checked | asked


def test_what_can_only_be_seen_on_a_gpu_is_not_judged_without_one() -> None:
    found = [each for each in STATEMENTS if each.because == "it needs a GPU"]
    assert {each.number for each in found} == {57, 64, 96}
    assert {each.verdict for each in found} == {StatementVerdict.NOT_TESTABLE}


def folder_with(tmp_path: Path, *statements: str) -> Path:
    tables = "\n".join(f"[[statements]]{each}" for each in statements)
    (tmp_path / "01.toml").write_text(f'title = "One"\n{tables}', encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        (f"{WRITTEN}colour = 'red'", "statements.0.colour: Extra inputs are not permitted"),
        (WRITTEN.replace('"holds"', '"perhaps"'), "statements.0.verdict: Input should be"),
        (WRITTEN.replace("= 1", "= 113"), "statements.0.number: Input should be less than"),
        (WRITTEN.replace("= 1", "= true"), "expected a number, found true"),
        (WRITTEN.replace("It says so.", ""), "statement 1: expected evidence for its verdict"),
        (WRITTEN.replace("not verified", ""), "expected the source of its evidence"),
        (WRITTEN.replace("holds", "false"), "expected the corrected statement"),
        (WRITTEN.replace("holds", "not_enough_evidence"), "which only runs and checks give"),
        (WRITTEN.replace("holds", "not_testable_here"), "expected because where it is not"),
        (WRITTEN.replace("documentation", "opinion"), 'expected the verdict "opinion" for an'),
        (f'{MEASURED}verdict = "holds"', 'but none where judged_by is "measurement"'),
        (MEASURED.replace("merging", "growing"), "catalogue.py, found growing"),
        (MEASURED.replace('["merging"]', "[]"), 'expected claims where judged_by is "measure'),
        (f'{WRITTEN}claims = ["merging"]', 'expected claims where judged_by is "measurement"'),
        ("\nnumber =", "is not a TOML file: Invalid value"),
        (WRITTEN, "expected statement 2 once in"),
    ],
)
def test_a_bad_file_is_refused_in_one_sentence(tmp_path: Path, statement: str, said: str) -> None:
    with pytest.raises(StatementError) as refused:
        read_chapters(folder_with(tmp_path, statement))
    sentence = str(refused.value)
    assert said in sentence
    assert str(tmp_path) in sentence
    assert "\n" not in sentence


def test_a_statement_that_stands_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StatementError, match="expected statement 1 once in .*, found it 2 times"):
        read_chapters(folder_with(tmp_path, WRITTEN, WRITTEN))


def found(claim_id: str, *values: float) -> ClaimFound:
    measured = [
        ClaimMeasurement(quantity=Quantity.CAPACITY_RATIO, of="a", over="b", value=v, low=v, high=v)
        for v in values
    ]
    return judge(BY_ID[claim_id], measured)


def by_runs(number: int, *runs: list[ClaimFound]) -> Judged:
    by_run = {f"run-{k}": claims for k, claims in enumerate(runs)}
    return judge_statement(statement_numbered(CHAPTERS, number), by_run, [])


@pytest.mark.parametrize(
    ("runs", "verdict"),
    [
        ([[found("merging", 2.0)]], StatementVerdict.HOLDS),
        ([[found("merging", 1.0)]], StatementVerdict.FALSE),
        ([[found("merging", 2.0)], [found("merging", 1.0)]], StatementVerdict.CONDITIONAL),
        ([[found("merging")]], StatementVerdict.NOT_TESTABLE),
        ([], StatementVerdict.NOT_TESTABLE),
    ],
)
def test_a_measured_statement_has_the_verdict_of_all_readings_of_all_runs(
    runs: list[list[ClaimFound]], verdict: StatementVerdict
) -> None:
    assert by_runs(26, *runs).verdict is verdict


def test_a_statement_of_two_claims_is_undecided_while_one_of_them_is_not_measured() -> None:
    held = found("batching-5-20", 8.0)
    assert by_runs(28, [held]).verdict is StatementVerdict.UNDECIDED
    assert by_runs(28, [held, found("triton-5-10", 6.0)]).verdict is StatementVerdict.HOLDS


def test_a_claim_that_needs_a_gpu_says_so_for_its_statement() -> None:
    judged = by_runs(69, [judge(BY_ID["fp16"], [], (Condition.GPU,))])
    assert (judged.verdict, judged.unmet) == (StatementVerdict.NOT_TESTABLE, (Condition.GPU,))


@pytest.mark.parametrize(
    ("as_expected", "verdict"),
    [
        ([True], StatementVerdict.FALSE),
        ([True, False], StatementVerdict.UNDECIDED),
        ([], StatementVerdict.UNDECIDED),
    ],
)
def test_a_statement_about_the_server_is_as_judged_only_where_the_server_did_as_expected(
    as_expected: list[bool], verdict: StatementVerdict
) -> None:
    checks = [
        CheckFinding(statements=[58], expected="", found="", as_expected=each)
        for each in as_expected
    ]
    other = CheckFinding(statements=[59], expected="", found="", as_expected=False)
    judged = judge_statement(statement_numbered(CHAPTERS, 58), {}, [*checks, other])
    assert judged.verdict is verdict
    assert list(judged.checks) == checks


def test_a_statement_cannot_be_changed() -> None:
    statement: Statement = STATEMENTS[0]
    with pytest.raises(ValueError, match="frozen"):
        statement.text = "Another."  # type: ignore[misc]


@pytest.mark.parametrize("name", ["holds with conditions", "Holds-With-Conditions"])
def test_a_verdict_is_found_by_its_words(name: str) -> None:
    assert verdict_named(name) is StatementVerdict.CONDITIONAL


def test_an_unknown_verdict_is_refused_with_those_there_are() -> None:
    with pytest.raises(StatementError, match="one of 'holds', 'holds with conditions', 'false', "):
        verdict_named("perhaps")
