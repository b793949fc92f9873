"""An experiment as a frozen value that rejects what it does not know."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator, model_validator

from loadtests.records.trials import Level
from loadtests.spec.arrival_processes import Arrivals, Poisson, Trace
from loadtests.spec.external import ExternalSpec
from loadtests.spec.seed import SEED
from loadtests.spec.strict import Count, Number, Strict
from servers.contract import (
    LENGTH_BUCKETS,
    MAX_BATCH_TEXTS,
    MAX_LENGTH_TOKENS,
    MIN_LENGTH_TOKENS,
)
from servers.discovery import EngineName, OptionValue

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=40)]
PositiveRate = Annotated[Number, Field(ge=0.01, le=1_000_000)]
PositiveCount = Annotated[Count, Field(gt=0, le=10_000)]
LengthS = Annotated[Number, Field(gt=0, le=86_400)]
WarmupS = Annotated[Number, Field(ge=0, le=86_400)]
Place = Annotated[str, Field(pattern=r"^[^\x00]+$")]
LengthTokens = Annotated[Count, Field(ge=MIN_LENGTH_TOKENS, le=MAX_LENGTH_TOKENS)]
BatchSize = Annotated[Count, Field(ge=1, le=MAX_BATCH_TEXTS)]

BUILT_MODELS = ("small", "base")
PERCENTILES = (50, 90, 95, 99, 99.9)
TRACE_RATE_TOLERANCE = 0.02


class Slo(Strict):
    """The service level objective: a percentile of latency and a share of errors."""

    percentile: Number = 99
    latency_ms: Annotated[Number, Field(gt=0, le=3_600_000)] = 100.0
    max_error_ratio: Annotated[Number, Field(ge=0, lt=1)] = 0.001

    @field_validator("percentile")
    @classmethod
    def _is_one_that_is_reported(cls, percentile: float) -> float:
        if percentile not in PERCENTILES:
            raise ValueError(f"expected one of {', '.join(f'{p:g}' for p in PERCENTILES)}")
        return percentile


class LoadSpec(Strict):
    """Load levels and the length of a trial.

    The steady state lasts steady_s, or longer where that is needed to offer min_requests: a
    percentile needs a number of requests, not a number of seconds.
    """

    rates_rps: tuple[PositiveRate, ...] = ()
    concurrency: tuple[PositiveCount, ...] = ()
    warmup_s: WarmupS = 2.0
    steady_s: LengthS = 10.0
    min_requests: Annotated[Count, Field(ge=0, le=10_000_000)] = 0
    request_timeout_s: LengthS = 10.0
    workers: Annotated[Count, Field(ge=1, le=64)] = 1
    arrivals: Arrivals = Poisson()

    @model_validator(mode="after")
    def _levels_have_names_of_their_own(self) -> "LoadSpec":
        labels = [level.label for level in self.levels()]
        twice = [label for label in labels if labels.count(label) > 1]
        if twice:
            raise ValueError(
                f"expected each load level once, to six digits, found {twice[0]!r} twice"
            )
        return self

    @model_validator(mode="after")
    def _rate_is_that_of_the_trace(self) -> "LoadSpec":
        if not isinstance(self.arrivals, Trace) or self.arrivals.scaled:
            return self
        mean_rps = self.arrivals.mean_rate_rps
        if any(abs(rate / mean_rps - 1) > TRACE_RATE_TOLERANCE for rate in self.rates_rps):
            raise ValueError(
                f"expected only {mean_rps:.4g} in rates_rps, the mean rate of the trace, found "
                f"{', '.join(f'{rate:g}' for rate in self.rates_rps)}; give that rate, or stretch "
                "the trace with scaled = true"
            )
        return self

    def levels(self) -> tuple[Level, ...]:
        open_loop = tuple(Level("open", rate_rps=rate) for rate in self.rates_rps)
        closed_loop = tuple(Level("closed", concurrency=callers) for callers in self.concurrency)
        return open_loop + closed_loop

    def steady_for(self, level: Level) -> float:
        """Seconds of steady state at this level."""
        if level.rate_rps is None:
            return self.steady_s
        return max(self.steady_s, self.min_requests / level.rate_rps)


class CalibrationSpec(Strict):
    """Closed-loop runs against the null server: the client's own ceiling on this machine."""

    contenders: tuple[Name, ...] = ("null-http", "null-grpc")
    concurrency: PositiveCount = 16
    warmup_s: WarmupS = 1.0
    steady_s: LengthS = 3.0


class CapacitySpec(Strict):
    """The search for the highest rate that meets the SLO, on one grid of rates for all contenders.

    resolution is the ratio of neighbouring grid rates. budget_s bounds the search and the repeats
    that certify what it found: what does not fit is dropped and recorded.
    """

    start_rps: PositiveRate = 50
    min_rps: PositiveRate = 5
    max_rps: PositiveRate = 5000
    resolution: Annotated[Number, Field(ge=1.02, le=2)] = 1.19
    warmup_s: WarmupS = 1.0
    steady_s: LengthS = 4.0
    budget_s: LengthS = 300

    @model_validator(mode="after")
    def _starts_within_its_range(self) -> "CapacitySpec":
        if not self.min_rps <= self.start_rps <= self.max_rps:
            raise ValueError(
                f"expected start_rps between min_rps and max_rps ({self.min_rps:g} to "
                f"{self.max_rps:g}), found {self.start_rps:g}"
            )
        return self


class EnginesSpec(Strict):
    """Which batches each engine is measured with, alone, before the first trial."""

    lengths_tokens: Annotated[tuple[LengthTokens, ...], Field(min_length=1)] = LENGTH_BUCKETS
    batch_sizes: Annotated[tuple[BatchSize, ...], Field(min_length=1)] = (1, 2, 4, 8, 16, 32, 64)
    repeats: PositiveCount = 100


class PriceSpec(Strict):
    """What an hour of a machine with the server's cores and GPU costs; source names it and its
    date."""

    server_per_hour: Annotated[Number, Field(gt=0, le=1_000_000)]
    currency: Annotated[str, Field(min_length=1)]
    source: Annotated[str, Field(min_length=1)]


class VariantSpec(Strict):
    """A contender made from another one by changing some of its options, or its engine.

    One that is named as its base takes the base's place in this experiment.
    """

    name: Name
    base: Name
    engine: EngineName | None = None
    options: Mapping[str, OptionValue] = {}


def placed(model: str, folder: Path) -> str:
    """The model's own folder, where it lies in folder; a name or a hub id as it is."""
    path = folder / model
    # os.path says no, and raises nothing, of a name that no file can have.
    found = model not in BUILT_MODELS and os.path.isdir(path)
    return str(path.absolute()) if found else model


class Experiment(Strict):
    """What is compared, under which load, judged how."""

    name: Name
    description: str = ""
    seed: Annotated[Count, Field(ge=0, lt=2**32)] = SEED
    repeats: Annotated[Count, Field(ge=1, le=100)] = 1
    reference: Name = "fastapi"
    contenders: Annotated[tuple[Name, ...], Field(min_length=1)]
    model: Place = "small"
    texts: Place | None = None
    parity_tolerance: Annotated[Number, Field(gt=0, le=1)] = 0.001
    slo: Slo = Slo()
    more_slos: tuple[Slo, ...] = ()
    min_difference: Annotated[Number, Field(ge=0, lt=1)] = 0.05
    aa_test: Name | None = None
    capacity: CapacitySpec | None = None
    load: LoadSpec
    calibration: CalibrationSpec | None = CalibrationSpec()
    variants: tuple[VariantSpec, ...] = ()
    external: tuple[ExternalSpec, ...] = ()
    price: PriceSpec | None = None
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

    @model_validator(mode="after")
    def _names_are_distinct(self) -> "Experiment":
        twice = [name for name in self.contenders if self.contenders.count(name) > 1]
        if twice:
            raise ValueError(f"expected each contender once, found {twice[0]!r} twice")
        return self

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
        return ", ".join(parts)

    @property
    def slos(self) -> tuple[Slo, ...]:
        """The main SLO first."""
        return (self.slo, *self.more_slos)
