"""questions.json: what was measured of a real Triton with other settings and ways of use."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from loadtests.records.manifest import Measurement
from loadtests.records.stored import Count, read_stored


class Case(BaseModel):
    """One setting or way of use, under one load."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    case: str = Field(description="What was set or done.")
    values: dict[str, float | None] = Field(
        default={}, description="Figures by name and unit; null: too few answers to state it."
    )
    said: dict[str, Count] = Field(
        default={}, description="How many callers saw what: an answer, or the words of a refusal."
    )


class Answer(BaseModel):
    """What one question found."""

    model_config = ConfigDict(frozen=True)

    question: str = Field(description="Its id in analysis/claims/questions.py.")
    seconds: float = Field(description="How long it took.")
    cases: list[Case] = Field(description="In their order; empty: left out.")
    left_out: str = Field(default="", description="Why it was not asked.")

    def value(self, case: str, name: str) -> float | None:
        """A figure of a case; None where either is not there."""
        return next((each.values.get(name) for each in self.cases if each.case == case), None)

    def said(self, case: str) -> dict[str, int]:
        """What callers of a case saw; nothing where it is not there."""
        return next((each.said for each in self.cases if each.case == case), {})


class Questions(Measurement):
    """questions.json, as far as analysis reads it."""

    triton: str = Field(description="Version of the server, as it says itself.")
    tritonclient: str = Field(description="Version of the client.")
    answers: list[Answer] = Field(description="One for each question, in their order.")


def read_questions(path: Path) -> Questions:
    """RecordError where the file is missing or damaged."""
    remedy = "run `python -m loadtests.selfcheck.triton_questions` again."
    return read_stored(path, Questions, remedy, extra="ignore")
