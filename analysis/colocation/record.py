"""colocation.json: what `study colocate` measured, checked as it is read."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from loadtests.records.engines import Device, Precision
from loadtests.records.manifest import Git, Machine, Model
from loadtests.records.stored import (
    Amount,
    Core,
    Count,
    Name,
    Number,
    Positive,
    When,
    WindowS,
    read_stored,
)


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="allow")


class _Cores(_Part):
    server: list[Core]
    load: list[Core]


class _Classifier(_Part):
    engine: str


class _ColocatedModel(_Part):
    model: Literal["vision", "recommender"]
    weights: Count
    precision: str
    device: str


class _Settings(_Part):
    device: Device
    precision: Precision
    colocated_models: str
    seconds: Positive
    callers: Count
    repeats: Count
    seed: Count


class _Measured(_Part):
    block: Count
    group: Annotated[list[Name], Field(min_length=1)]
    window_s: WindowS
    client_cpu_s: dict[Name, Amount | None]
    client_core: dict[Name, Core]
    folder: Name

    @model_validator(mode="after")
    def _knows_every_client(self) -> "_Measured":
        if not set(self.group) <= self.client_cpu_s.keys() & self.client_core.keys():
            raise ValueError("expected client_cpu_s and client_core of every model in group")
        return self


class _Record(_Part):
    created_at: When
    command: str
    machine: Machine
    git: Git
    cores: _Cores
    model: Model
    contender: _Classifier
    colocated_models: list[_ColocatedModel]
    settings: _Settings
    answers: dict[Name, Annotated[list[Number], Field(min_length=1)]]
    measured: list[_Measured]

    @model_validator(mode="after")
    def _compares_like_with_like(self) -> "_Record":
        groups = {tuple(taken.group) for taken in self.measured}
        models = {model for group in groups for model in group}
        if not models <= self.answers.keys():
            raise ValueError("expected answers of every model that was measured")
        if not models <= {group[0] for group in groups if len(group) == 1}:
            raise ValueError("expected a measurement of every model alone")
        return self


def read_colocation(folder: Path) -> dict[str, Any]:
    """What colocation.json holds; RecordError where folder has none, or a damaged one."""
    remedy = "run `study colocate` again."
    return read_stored(folder / "colocation.json", _Record, remedy).model_dump()
