"""behaviour.json: what a real Triton and its Python client did when the claims' checks asked."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from loadtests.records.manifest import Measurement
from loadtests.records.stored import Count, read_stored


class CheckFinding(BaseModel):
    """What one check expected and what it found."""

    model_config = ConfigDict(frozen=True)

    statements: list[Count] = Field(description="Numbers of the statements that it is about.")
    expected: str = Field(description="What the server should do, by the corrected statement.")
    found: str = Field(description="What it did.")
    as_expected: bool = Field(description="Whether that is the same.")


class Behaviour(Measurement):
    """behaviour.json, as far as analysis reads it."""

    triton: str = Field(description="Version of the server, as it says itself.")
    tritonclient: str = Field(description="Version of the client.")
    findings: list[CheckFinding] = Field(description="One for each check, in their order.")


def read_behaviour(path: Path) -> Behaviour:
    """RecordError where the file is missing or damaged."""
    remedy = "run `python -m loadtests.selfcheck.triton_behaviour` again."
    return read_stored(path, Behaviour, remedy, extra="ignore")
