"""tune.json: what `study tune` was asked and how it divides its time; and what is said of a run.

The one thing that the search (loadtests.tune) and the verdict (analysis.tune) share.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from loadtests.records.atomic import replacing
from loadtests.records.experiment import LengthS, Name, PositiveCount, PositiveRate, Slo
from loadtests.records.seed import SEED
from loadtests.records.stored import SCHEMA_VERSION, read_stored
from loadtests.records.strict import Count, Number, Strict

TUNING_FILE, TUNING_PAGE = "tune.json", "tune.md"
FINAL = "final"
"""Name of the run in which the best few are measured once more, and of its experiment."""

SettingValue = str | int | float | bool
Settings = Mapping[str, SettingValue]
"""By option of the contender: its value. Of a whole configuration all that are searched."""


class Limits(Strict):
    """What a configuration may not exceed, beside the SLO; null: no bound."""

    p50_ms: Annotated[Number, Field(gt=0, le=3_600_000)] | None = Field(
        default=None, description="P50 of latency at the low rate."
    )
    memory_mib: Annotated[Number, Field(gt=0, le=1e9)] | None = Field(
        default=None, description="Largest memory of the server's processes."
    )


class Tuning(Strict):
    """What was asked of `study tune`, in the folder that it fills."""

    schema_version: int = SCHEMA_VERSION
    contender: Name = Field(description="Whose options are searched.")
    slo: Slo = Field(description="The objective that capacity is judged by.")
    limits: Limits = Field(default=Limits(), description="What else a configuration must keep to.")
    low_rps: PositiveRate = Field(description="Low load: the rate at which P50 is compared.")
    space: Mapping[str, tuple[SettingValue, ...]] = Field(
        description="Options that are searched, and the values that each may have."
    )
    default: Mapping[str, SettingValue] = Field(description="The contender's own values of them.")
    model: str = Field(description="The model that is served.")
    texts: str | None = Field(default=None, description="File of texts; null: the study's own.")
    seed: Count = Field(default=SEED, ge=0, lt=2**32, description="Seed of the search.")
    candidates: PositiveCount = Field(description="Configurations of a generation.")
    finalists: PositiveCount = Field(description="Configurations of the last generation, at most.")
    generations: PositiveCount = Field(description="Generations that search, before the last.")
    generation_s: LengthS = Field(description="Time of each of them.")
    final_s: LengthS = Field(description="Time of the last one.")
    command: str = Field(description="Command that repeats it.")

    @model_validator(mode="after")
    def _default_is_among_the_values(self) -> "Tuning":
        for option in sorted(self.space.keys() | self.default.keys()):
            if option not in self.default or self.default[option] not in self.space.get(option, ()):
                raise ValueError(f"expected the default of {option} among its values, found none")
        return self


@dataclass(frozen=True)
class Score:
    """A configuration over the default beside which it was measured. allowed: within the limits."""

    capacity_ratio: float
    p50_ratio: float
    allowed: bool = True


@dataclass(frozen=True)
class Judged:
    """What the run of a generation says. scores: by candidate; None: it could not be compared.
    default_rps: the capacity of the default, or the highest rate that it met; None: it met none.
    open: of those without a score the ones that more slices could give one."""

    scores: Mapping[str, Score | None]
    default_rps: float | None
    open: frozenset[str] = frozenset()


def write_tuning(folder: Path, tuning: Tuning) -> None:
    with replacing(folder / TUNING_FILE) as unfinished:
        unfinished.write_text(tuning.model_dump_json(indent=2) + "\n", encoding="utf-8")


def read_tuning(folder: Path) -> Tuning:
    """RecordError, in one sentence, where it is missing or damaged."""
    return read_stored(folder / TUNING_FILE, Tuning, "start a new `study tune`.")


def changed(settings: Settings, default: Settings) -> dict[str, SettingValue]:
    """What of settings differs from the default."""
    return {name: value for name, value in settings.items() if default.get(name) != value}


def in_words(settings: Settings) -> str:
    """Such as `max_batch_size = 8, length_buckets = 32,128`; of no change: the default."""
    said = [f"{name} = {value_in_words(value)}" for name, value in settings.items()]
    return ", ".join(said) or "the default"


def value_in_words(value: SettingValue) -> str:
    """As it stands in a table; an empty text is none."""
    if isinstance(value, bool):
        return str(value).lower()
    return "none" if value == "" else str(value)
