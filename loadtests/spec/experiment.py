"""An experiment as a frozen value that rejects what it does not know: what the records hold of it
(loadtests.records.experiment), and what only the load side needs."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator, model_validator

from loadtests.records import experiment as recorded
from loadtests.records.arrivals import Trace
from loadtests.records.experiment import CapacitySpec as CapacitySpec
from loadtests.records.experiment import LoadSpec, Name, PositiveCount
from loadtests.records.strict import Count, Number, Strict
from loadtests.spec.external import ExternalSpec, Headers
from servers.contract import (
    LENGTH_BUCKETS,
    MAX_BATCH_TEXTS,
    MAX_LENGTH_TOKENS,
    MIN_LENGTH_TOKENS,
)
from servers.device_curve import CURVE_SUFFIX
from servers.discovery import ContenderEngine, OptionValue

Place = Annotated[str, Field(pattern=r"^[^\x00]+$")]
LengthTokens = Annotated[Count, Field(ge=MIN_LENGTH_TOKENS, le=MAX_LENGTH_TOKENS)]
BatchSize = Annotated[Count, Field(ge=1, le=MAX_BATCH_TEXTS)]

BUILT_MODELS = ("small", "base")
TRACE_RATE_TOLERANCE = 0.02


class EnginesSpec(Strict):
    """Which batches each engine is measured with, alone, before the first slice."""

    lengths_tokens: Annotated[tuple[LengthTokens, ...], Field(min_length=1)] = LENGTH_BUCKETS
    batch_sizes: Annotated[tuple[BatchSize, ...], Field(min_length=1)] = (1, 2, 4, 8, 16, 32, 64)
    repeats: PositiveCount = 100


class VariantSpec(Strict):
    """A contender made from another one by changing some of its options, or its engine.

    One that is named as its base takes the base's place in this experiment. headers are sent with
    each request; "env:NAME" stands for an environment variable.
    """

    name: Name
    base: Name
    engine: ContenderEngine | None = None
    options: Mapping[str, OptionValue] = {}
    headers: Headers = {}

    def with_curve_from(self, folder: Path) -> "VariantSpec":
        """Itself, the file of its curve named from the root; names of curves stay."""
        curve = self.options.get("curve")
        if not isinstance(curve, str) or not curve.endswith(CURVE_SUFFIX):
            return self
        path = str((folder / curve).absolute())
        return self.model_copy(update={"options": {**self.options, "curve": path}})


def placed(model: str, folder: Path) -> str:
    """The model's own folder, where it lies in folder; a name or a hub id as it is."""
    path = folder / model
    # os.path says no, and raises nothing, of a name that no file can have.
    found = model not in BUILT_MODELS and os.path.isdir(path)
    return str(path.absolute()) if found else model


class Experiment(recorded.Experiment):
    """What is compared, under which load, judged how; and with which model and searches."""

    model: Place = "small"
    texts: Place | None = None
    parity_tolerance: Annotated[Number, Field(gt=0, le=1)] = 0.001
    variants: tuple[VariantSpec, ...] = ()
    external: tuple[ExternalSpec, ...] = ()
    engines: EnginesSpec | None = None

    @field_validator("model", "texts")
    @classmethod
    def _beside_the_experiment(cls, place: str | None, info: ValidationInfo) -> str | None:
        """Where the experiment is a file, what it names is looked for from its folder."""
        folder = (info.context or {}).get("folder")
        if folder is None or place is None:
            return place
        if info.field_name == "model":
            return placed(place, Path(folder))
        return str((Path(folder) / place).absolute())

    @field_validator("variants")
    @classmethod
    def _curves_beside_the_experiment(
        cls, variants: tuple[VariantSpec, ...], info: ValidationInfo
    ) -> tuple[VariantSpec, ...]:
        """Servers run in folders of their own: the path of a curve is made absolute."""
        folder = Path((info.context or {}).get("folder", ""))
        return tuple(variant.with_curve_from(folder) for variant in variants)

    @field_validator("load")
    @classmethod
    def _rate_is_that_of_the_trace(cls, load: LoadSpec) -> LoadSpec:
        if not isinstance(load.arrivals, Trace):
            return load
        mean_rps = load.arrivals.mean_rate_rps
        wrong = [rate for rate in load.rates_rps if abs(rate / mean_rps - 1) > TRACE_RATE_TOLERANCE]
        if wrong and not load.arrivals.scaled:
            raise ValueError(
                f"expected only {mean_rps:.4g} in rates_rps, the mean rate of the trace, found "
                f"{', '.join(f'{rate:g}' for rate in load.rates_rps)}; give that rate, or stretch "
                "the trace with scaled = true"
            )
        return load

    @model_validator(mode="after")
    def _has_a_level(self) -> "Experiment":
        if not self.load.levels() and self.capacity is None:
            raise ValueError(
                "expected at least one entry in load.rates_rps or load.concurrency, or a "
                "[capacity] section, found none"
            )
        return self

    @model_validator(mode="after")
    def _search_can_change_the_rate(self) -> "Experiment":
        arrivals = self.load.arrivals
        if self.capacity and isinstance(arrivals, Trace) and not arrivals.scaled:
            raise ValueError(
                "expected arrivals whose rate the capacity search can change, found a trace "
                "replayed as it is; set scaled = true in [load.arrivals] or remove [capacity]"
            )
        return self

    @property
    def load_in_words(self) -> str:
        """Everything that each contender will be sent."""
        parts = [f"{rate:g} requests/s" for rate in self.load.rates_rps]
        parts += [f"{callers} callers in a closed loop" for callers in self.load.concurrency]
        if self.capacity:
            parts.append(f"a search up to {self.capacity.max_rps:g} requests/s")
        if self.overload:
            parts.append(f"up to {max(self.overload.factors):g} times the capacity found")
        return ", ".join(parts)
