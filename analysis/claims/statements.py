"""Every statement of the two documents: what it says, and how and as what it is judged.

The files in chapters/ hold them. A statement that is measured names its claims and has no verdict
of its own: the records of runs give it. One about the server's behaviour is as it says only where
the server did what its checks expected.
"""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, ValidationError, model_validator

from analysis.claims.catalogue import BY_ID
from analysis.claims.judge import ClaimFound, ClaimOutcome, ClaimVerdict, Condition, verdict_of
from loadtests.records.behaviour import CheckFinding
from loadtests.records.strict import Count, Strict

CHAPTERS = Path(__file__).with_name("chapters")
N_STATEMENTS = 112

Text = Annotated[str, Field(min_length=1)]


class StatementError(ValueError):
    """What is wrong with the statements, or with what is asked of them, in one sentence."""


class Document(StrEnum):
    GUIDE = "guide"
    SELECTION = "selection"
    BOTH = "both"


class JudgedBy(StrEnum):
    MEASUREMENT = "measurement"
    SERVER = "server"
    DOCUMENTATION = "documentation"
    OPINION = "opinion"


class StatementVerdict(StrEnum):
    HOLDS = "holds"
    CONDITIONAL = "holds_with_conditions"
    FALSE = "false"
    NOT_TESTABLE = "not_testable_here"
    OPINION = "opinion"
    UNDECIDED = "not_enough_evidence"


class Statement(Strict):
    """One statement, in our words. because: why it is not testable here; source: of the evidence,
    "not verified" where there is none; corrected: what is true instead."""

    number: Annotated[Count, Field(ge=1, le=N_STATEMENTS)]
    text: Text
    document: Document
    judged_by: JudgedBy
    verdict: StatementVerdict | None = None
    claims: tuple[str, ...] = ()
    because: str = ""
    evidence: str = ""
    source: str = ""
    corrected: str = ""

    @model_validator(mode="after")
    def _says_what_its_judgement_needs(self) -> Self:
        problem = next(self._problems(), None)
        if problem:
            raise ValueError(f"statement {self.number}: {problem}")
        return self

    def _problems(self) -> Iterator[str]:
        judged_by, verdict = self.judged_by, self.verdict
        measured = judged_by is JudgedBy.MEASUREMENT
        if measured != bool(self.claims):
            yield 'expected claims where judged_by is "measurement", and nowhere else'
        if unknown := [name for name in self.claims if name not in BY_ID]:
            yield f"expected claims of analysis/claims/catalogue.py, found {', '.join(unknown)}"
        if measured != (verdict is None):
            yield 'expected a verdict, but none where judged_by is "measurement": runs give it'
        if verdict is StatementVerdict.UNDECIDED:
            yield f"expected a verdict, found {verdict}, which only runs and checks give"
        if (judged_by is JudgedBy.OPINION) != (verdict is StatementVerdict.OPINION):
            yield 'expected the verdict "opinion" for an opinion, and for nothing else'
        if (verdict is StatementVerdict.NOT_TESTABLE) != bool(self.because):
            yield "expected because where it is not testable here, and nowhere else"
        if judged_by in (JudgedBy.DOCUMENTATION, JudgedBy.OPINION) and not self.evidence:
            yield "expected evidence for its verdict"
        if judged_by is JudgedBy.DOCUMENTATION and not self.source:
            yield 'expected the source of its evidence, "not verified" where there is none'
        wrong = (StatementVerdict.FALSE, StatementVerdict.CONDITIONAL, None)
        if verdict in wrong and not self.corrected:
            yield "expected the corrected statement"


class Chapter(Strict):
    """A file of statements that belong together."""

    title: Text
    statements: tuple[Statement, ...]


def read_chapters(folder: Path = CHAPTERS) -> tuple[Chapter, ...]:
    """The chapters in order; StatementError where a file is wrong or a statement not there once."""
    chapters = tuple(_chapter(path) for path in sorted(folder.glob("*.toml")))
    numbers = [each.number for chapter in chapters for each in chapter.statements]
    for number in range(1, N_STATEMENTS + 1):
        if numbers.count(number) != 1:
            raise StatementError(
                f"expected statement {number} once in {folder}, found it {numbers.count(number)} "
                "times: correct its files."
            )
    return chapters


def _chapter(path: Path) -> Chapter:
    try:
        return Chapter.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        message = first["msg"].removeprefix("Value error, ")
        raise StatementError(f"{path}: {where}: {message}; correct it.") from error
    except ValueError as error:  # no TOML, or no UTF-8
        raise StatementError(f"{path} is not a TOML file: {error}; correct it.") from error


def statement_numbered(chapters: Sequence[Chapter], number: int) -> Statement:
    """StatementError where there is none of that number."""
    for chapter in chapters:
        for statement in chapter.statements:
            if statement.number == number:
                return statement
    raise StatementError(f"expected a statement of 1 to {N_STATEMENTS}, found {number}.")


def verdict_named(name: str) -> StatementVerdict:
    """The verdict of that name, written with spaces, hyphens or underscores."""
    try:
        return StatementVerdict(name.strip().lower().replace(" ", "_").replace("-", "_"))
    except ValueError:
        known = ", ".join(f"'{each.replace('_', ' ')}'" for each in StatementVerdict)
        raise StatementError(f"expected a verdict, one of {known}, found '{name}'.") from None


@dataclass(frozen=True)
class Judged:
    """A statement with its verdict and what it rests on.

    measured: readings by run; unmet: what the claims without a reading need; checks: what the
    server did, which decides statements about the server and is shown beside others.
    """

    statement: Statement
    verdict: StatementVerdict
    measured: tuple[tuple[str, ClaimFound], ...] = ()
    unmet: tuple[Condition, ...] = ()
    checks: tuple[CheckFinding, ...] = ()


def judge_statement(
    statement: Statement,
    by_run: Mapping[str, Sequence[ClaimFound]],
    checks: Sequence[CheckFinding],
) -> Judged:
    """The statement by what these runs measured and what the server did."""
    given = statement.verdict or StatementVerdict.UNDECIDED
    own = tuple(check for check in checks if statement.number in check.statements)
    if statement.judged_by is JudgedBy.MEASUREMENT:
        return replace(_by_runs(statement, by_run), checks=own)
    if statement.judged_by is JudgedBy.SERVER:
        as_expected = bool(own) and all(check.as_expected for check in own)
        return Judged(statement, given if as_expected else StatementVerdict.UNDECIDED, checks=own)
    return Judged(statement, given, checks=own)


_OF_CLAIMS = {
    ClaimVerdict.HOLDS: StatementVerdict.HOLDS,
    ClaimVerdict.FAILS: StatementVerdict.FALSE,
    ClaimVerdict.ONLY_WHEN: StatementVerdict.CONDITIONAL,
    ClaimVerdict.UNDECIDED: StatementVerdict.UNDECIDED,
    ClaimVerdict.NOT_MEASURED: StatementVerdict.NOT_TESTABLE,
}


def _by_runs(statement: Statement, by_run: Mapping[str, Sequence[ClaimFound]]) -> Judged:
    """By all readings of all its claims; a claim that nothing measured leaves it undecided where
    others were measured."""
    found = [
        (run, claim)
        for run, claims in by_run.items()
        for claim in claims
        if claim.id in statement.claims
    ]
    measured = tuple((run, claim) for run, claim in found if claim.readings)
    answered = {claim.id for _, claim in measured}
    outcomes = [reading.outcome for _, claim in measured for reading in claim.readings]
    if measured and answered != set(statement.claims):
        outcomes.append(ClaimOutcome.UNDECIDED)
    unmet = [need for _, claim in found if claim.id not in answered for need in claim.unmet]
    verdict = _OF_CLAIMS[verdict_of(outcomes)]
    return Judged(statement, verdict, measured, tuple(dict.fromkeys(unmet)))
