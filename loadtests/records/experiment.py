"""The experiment, as far as a run's records and their analysis know it.

loadtests.spec.experiment adds what only the load side needs, and reads it from a TOML file.
"""

from typing import Annotated

from pydantic import Field, field_validator, model_validator

from loadtests.records.arrivals import Arrivals, Poisson
from loadtests.records.overload import OverloadSpec
from loadtests.records.seed import SEED
from loadtests.records.strict import Count, Number, Strict
from loadtests.records.trials import Level

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=40)]
PositiveRate = Annotated[Number, Field(ge=0.01, le=1_000_000)]
PositiveCount = Annotated[Count, Field(gt=0, le=10_000)]
LengthS = Annotated[Number, Field(ge=0.001, le=86_400)]
WarmupS = Annotated[Number, Field(ge=0, le=86_400)]

PERCENTILES = (50, 90, 95, 99, 99.9)


class Slo(Strict):
    """The service level objective: a percentile of latency and a share of errors."""

    percentile: Number = Field(default=99, description="Percentile of latency that is bounded.")
    latency_ms: Number = Field(
        default=100.0, gt=0, le=3_600_000, description="Bound on that percentile."
    )
    max_error_ratio: Number = Field(
        default=0.001, ge=0, lt=1, description="Highest share of failed requests allowed."
    )

    @field_validator("percentile")
    @classmethod
    def _is_one_that_is_reported(cls, percentile: float) -> float:
        if percentile not in PERCENTILES:
            raise ValueError(f"expected one of {', '.join(f'{p:g}' for p in PERCENTILES)}")
        return percentile

    def __str__(self) -> str:
        return (
            f"P{self.percentile:g} at most {self.latency_ms:g} ms and "
            f"at most {self.max_error_ratio:.2%} of requests failed"
        )


class LoadSpec(Strict):
    """Load levels and the length of a slice."""

    rates_rps: tuple[PositiveRate, ...] = Field(
        default=(), description="Arrival rates of the open loop."
    )
    concurrency: tuple[PositiveCount, ...] = Field(
        default=(), description="Numbers of callers of the closed loop."
    )
    warmup_s: WarmupS = Field(default=0.4, description="Least length of the warm-up.")
    steady_s: LengthS = Field(default=2.5, description="Least length of the steady state.")
    request_timeout_s: LengthS = Field(
        default=10.0, description="A reply later than this is a failure."
    )
    workers: Count = Field(default=1, ge=1, le=64, description="Load generator processes.")
    arrivals: Arrivals = Field(
        default=Poisson(), description="How requests arrive in the open loop."
    )

    @model_validator(mode="after")
    def _levels_have_names_of_their_own(self) -> "LoadSpec":
        labels = [level.label for level in self.levels()]
        twice = [label for label in labels if labels.count(label) > 1]
        if twice:
            raise ValueError(
                f"expected each load level once, to six digits, found {twice[0]!r} twice"
            )
        return self

    def levels(self) -> tuple[Level, ...]:
        open_loop = tuple(Level("open", rate_rps=rate) for rate in self.rates_rps)
        closed_loop = tuple(Level("closed", concurrency=callers) for callers in self.concurrency)
        return open_loop + closed_loop


class CapacitySpec(Strict):
    """The search for the highest rate that meets the SLO, on one grid for all contenders."""

    start_rps: PositiveRate = Field(
        default=50, description="Where a contender of unknown capacity begins."
    )
    min_rps: PositiveRate = Field(default=5, description="Lowest rate of the grid, about.")
    max_rps: PositiveRate = Field(default=5000, description="Highest rate of the grid, about.")
    resolution: Number = Field(
        default=1.1, ge=1.02, le=2, description="Ratio of neighbouring rates of the grid."
    )

    @model_validator(mode="after")
    def _starts_within_its_range(self) -> "CapacitySpec":
        if not self.min_rps <= self.start_rps <= self.max_rps:
            raise ValueError(
                f"expected start_rps between min_rps and max_rps ({self.min_rps:g} to "
                f"{self.max_rps:g}), found {self.start_rps:g}"
            )
        return self


class CalibrationSpec(Strict):
    """Closed-loop runs against the null server: the client's own ceiling on this machine."""

    contenders: tuple[Name, ...] = Field(
        default=("null-http", "null-grpc"),
        description="Servers that answer at once, one a protocol.",
    )
    concurrency: PositiveCount = Field(default=16, description="Callers of the closed loop.")
    warmup_s: WarmupS = Field(default=1.0, description="Length of the warm-up.")
    steady_s: LengthS = Field(default=3.0, description="Length of the steady state.")


class Price(Strict):
    """What an hour of the server's machine costs."""

    server_per_hour: Number = Field(
        gt=0,
        le=1_000_000,
        description="An hour of a machine with the cores and the GPU given to the server.",
    )
    currency: str = Field(min_length=1, description="Currency of the price.")
    source: str = Field(min_length=1, description="Where the price comes from, and of when it is.")


class Experiment(Strict):
    """What is compared, under which load, judged how."""

    name: Name = Field(description="Name of the experiment.")
    description: str = Field(default="", description="What it asks.")
    seed: Count = Field(
        default=SEED, ge=0, lt=2**32, description="Seed of schedules and trial order."
    )
    time_budget_s: LengthS = Field(
        default=540, description="Rounds are made until a run has taken so long, its report too."
    )
    rounds: PositiveCount | None = Field(
        default=None, description="At most so many rounds; null: as many as the time allows."
    )
    restarts_per_round: Count = Field(
        default=0,
        ge=0,
        description="Contenders that each common round starts anew, by turns: what one owes to "
        "the layout of its memory differs from start to start.",
    )
    reference: Name = Field(
        default="fastapi", description="Contender that ratios are taken against."
    )
    contenders: tuple[Name, ...] = Field(min_length=1, description="Contenders in the order given.")
    slo: Slo = Field(default=Slo(), description="The service level objective.")
    more_slos: tuple[Slo, ...] = Field(
        default=(), description="Further objectives, judged from the same trials."
    )
    min_difference: Number = Field(
        default=0.05,
        ge=0,
        lt=1,
        description="Differences below this share have no practical meaning.",
    )
    aa_test: Name | None = Field(
        default=None, description="Contender that was also run against itself; null: none."
    )
    load: LoadSpec = Field(description="The load levels.")
    overload: OverloadSpec | None = Field(
        default=None, description="Load beyond capacity, after the rounds; null: none."
    )
    capacity: CapacitySpec | None = Field(
        default=None, description="How capacity was searched for; null: it was not."
    )
    calibration: CalibrationSpec | None = Field(
        default=CalibrationSpec(), description="How the client's ceiling was measured."
    )
    price: Price | None = Field(
        default=None, description="What an hour of the server's machine costs; null: not given."
    )

    @model_validator(mode="after")
    def _names_are_distinct(self) -> "Experiment":
        twice = [name for name in self.contenders if self.contenders.count(name) > 1]
        if twice:
            raise ValueError(f"expected each contender once, found {twice[0]!r} twice")
        return self

    @property
    def least_capacity_difference(self) -> float:
        """min_difference, or a step of the grid where that is larger: between two rates of it no
        capacity was tried."""
        step = self.capacity.resolution - 1 if self.capacity else 0.0
        return max(self.min_difference, step)

    @property
    def slos(self) -> tuple[Slo, ...]:
        """The main SLO first."""
        return (self.slo, *self.more_slos)

    @property
    def aa_copy(self) -> str | None:
        """Name under which the contender of the A/A test runs a second time."""
        return f"{self.aa_test}-again" if self.aa_test else None
