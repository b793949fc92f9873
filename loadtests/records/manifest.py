"""manifest.json: what was run, where, and with which model."""

from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from loadtests.records.experiment import Experiment
from loadtests.records.stored import (
    AGAIN,
    Core,
    Count,
    Name,
    RecordError,
    Share,
    When,
    read_stored,
)


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, allow_inf_nan=False)


class Gpu(_Part):
    name: str = Field(description="Product name.")
    driver: str = Field(description="Driver version.")
    refused: dict[str, str] = Field(
        default={}, description="By column of telemetry.parquet: why the driver does not fill it."
    )


class Machine(_Part):
    """Where the run took place."""

    platform: str = Field(description="Operating system.")
    cpu_model: str = Field(description="Processor.")
    cpu_count: Count = Field(description="Logical cores.")
    memory_bytes: Count = Field(description="Main memory.")
    gpu: Gpu | None = Field(description="The GPU; null: none.")
    python: str = Field(description="Python version.")

    def __str__(self) -> str:
        gpu = self.gpu.name if self.gpu else "no GPU"
        memory_gib = self.memory_bytes / 2**30
        return f"{self.cpu_model}, {self.cpu_count} cores, {memory_gib:.0f} GiB, {gpu}"


class Git(_Part):
    commit: str | None = Field(description="Commit of the code; null: not a checkout.")
    dirty: bool | None = Field(description="True: files differed from that commit.")


class Measurement(BaseModel):
    """What the file of a measurement that is no run begins with, as far as analysis reads it."""

    model_config = ConfigDict(frozen=True)

    created_at: When = Field(description="When it was made (ISO 8601).")
    machine: Machine = Field(description="Where it ran.")
    git: Git = Field(description="Version of the project.")


class Model(_Part):
    """The classifier that all contenders served."""

    name: str = Field(description="Name of the model.")
    digest: str = Field(description="Digest of its files.")
    weights: str = Field(description="trained, loaded or seeded (seeded: random, speed only).")
    notes: list[str] = Field(default=[], description="What a reader must know about it.")
    accuracy: Share | None = Field(
        default=None, description="Share of held-out texts it gets right."
    )


class Traffic(_Part):
    """The texts that were sent."""

    source: str = Field(description="Where the texts come from.")
    digest: str = Field(description="Digest of the texts.")
    n_texts: Count = Field(description="Number of different texts.")


class Manifest(_Part):
    """manifest.json, as far as analysis reads it."""

    run_id: Name = Field(description="Name of the run and of its folder.")
    created_at: When = Field(description="When the run began (ISO 8601).")
    finished_at: When | None = Field(description="When it ended; null: it was not finished.")
    command: str = Field(description="Command that repeats it.")
    experiment: Experiment = Field(description="What was run.")
    machine: Machine = Field(description="Where it was run.")
    versions: dict[str, str | None] = Field(description="Versions of the packages used.")
    git: Git = Field(description="Version of the project.")
    model: Model = Field(description="The classifier.")
    traffic: Traffic = Field(description="The texts sent.")
    cores: dict[str, list[Core]] = Field(description="Core numbers given to server and load.")
    groups: list[list[str]] = Field(
        default=[],
        description="Contenders that were up at the same time, by group; each group holds the "
        "reference. Empty: each alone.",
    )
    paused: dict[str, float] = Field(
        default={},
        description="Contenders that were paused between their slices, and the share of a core "
        "that each had used without load.",
    )


def read_manifest(run_dir: Path) -> Manifest:
    """Reads manifest.json; RecordError where it is missing, damaged or incomplete."""
    path = run_dir / "manifest.json"
    # Fields this version does not know are left alone, so that the load side may add some.
    manifest = read_stored(path, Manifest, extra="ignore")
    for place in _assumed(manifest):
        # What an experiment file may leave out has been filled in by the run that it describes: a
        # default must not judge a run that was made under another value.
        raise RecordError(
            f"{path}: {place}: Field required; it is damaged or from another version of the "
            f"study: {AGAIN}"
        )
    return manifest


def _assumed(value: BaseModel, place: str = "") -> Iterator[str]:
    """Fields that hold a default other than "none of it" because the file has none of them."""
    for name, field in type(value).model_fields.items():
        if name not in value.model_fields_set and field.default:
            yield f"{place}{name}"
        held = getattr(value, name)
        for each in held if isinstance(held, tuple) else (held,):
            if isinstance(each, BaseModel):
                yield from _assumed(each, f"{place}{name}.")
