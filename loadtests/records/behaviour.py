"""behaviour.json: what a real Triton and its Python client did when the claims' checks asked."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from loadtests.records.manifest import Git, Machine
from loadtests.records.stored import Count, When, read_stored


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class CheckFinding(_Part):
    """What one check expected and what it found."""

    statements: list[Count] = Field(description="Numbers of the statements that it is about.")
    expected: str = Field(description="What the server should do, by the corrected statement.")
    found: str = Field(description="What it did.")
    as_expected: bool = Field(description="Whether that is the same.")


class Behaviour(_Part):
    """behaviour.json, as far as analysis reads it."""

    created_at: When = Field(description="When it was asked (ISO 8601).")
    machine: Machine = Field(description="Where it ran.")
    git: Git = Field(description="Version of the project.")
    triton: str = Field(description="Version of the server, as it says itself.")
    tritonclient: str = Field(description="Version of the client.")
    findings: list[CheckFinding] = Field(description="One for each check, in their order.")


def read_behaviour(path: Path) -> Behaviour:
    """RecordError where the file is missing or damaged."""
    remedy = "run `python -m loadtests.selfcheck.triton_behaviour` again."
    return read_stored(path, Behaviour, remedy, extra="ignore")
