"""manifest.json: what was run, where, and with which model. Written by the load side."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from loadtests.records.stored import (
    Amount,
    Block,
    Core,
    Count,
    LengthS,
    Name,
    Positive,
    Share,
    When,
    WindowS,
    read_stored,
)


class _Part(BaseModel):
    # Fields this version does not know are left alone, so that the load side may add some.
    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class Slo(_Part):
    """The service level objective."""

    percentile: float = Field(gt=0, lt=100, description="Percentile of latency that is bounded.")
    latency_ms: Positive = Field(description="Bound on that percentile.")
    max_error_ratio: Share = Field(description="Highest share of failed requests allowed.")

    def __str__(self) -> str:
        return (
            f"P{self.percentile:g} at most {self.latency_ms:g} ms and "
            f"at most {self.max_error_ratio:.2%} of requests failed"
        )


class Arrivals(_Part):
    """How requests arrive in the open loop."""

    kind: str = Field(description="poisson, constant, gamma, steps or trace.")
    cv: Amount | None = Field(
        default=None, description="Coefficient of variation of the gaps (gamma only)."
    )

    @property
    def gap_cv(self) -> float | None:
        """Standard deviation over mean of the gaps; None where the rate itself changes."""
        return {"poisson": 1.0, "constant": 0.0, "gamma": self.cv}.get(self.kind)


class Load(_Part):
    """The load levels of the experiment."""

    rates_rps: list[Positive] = Field(description="Arrival rates of the open loop.")
    concurrency: list[Count] = Field(description="Numbers of callers of the closed loop.")
    warmup_s: LengthS = Field(description="Length of the warm-up.")
    steady_s: WindowS = Field(description="Least length of the steady state.")
    min_requests: Count = Field(description="Least number of requests in the steady state.")
    request_timeout_s: WindowS = Field(description="A reply later than this is a failure.")
    workers: Count = Field(description="Load generator processes.")
    arrivals: Arrivals = Field(
        default=Arrivals(kind="poisson"), description="How requests arrive in the open loop."
    )


class Calibration(_Part):
    """How the client's ceiling was measured."""

    contenders: list[Name] = Field(description="Servers that answer at once, one a protocol.")
    concurrency: Count = Field(description="Callers of the closed loop.")
    steady_s: WindowS = Field(description="Length of the steady state.")


class Price(_Part):
    """What an hour of the server's machine costs."""

    server_per_hour: Amount = Field(
        gt=0, description="An hour of a machine with the cores and the GPU given to the server."
    )
    currency: str = Field(description="Currency of the price.")
    source: str = Field(description="Where the price comes from, and of when it is.")


class Experiment(_Part):
    """The experiment as read from its TOML file."""

    name: Name = Field(description="Name of the experiment.")
    description: str = Field(description="What it asks.")
    seed: Count = Field(description="Seed of schedules and trial order.")
    repeats: Block = Field(ge=1, description="Repeats of each contender and level.")
    reference: Name = Field(description="Contender that ratios are taken against.")
    contenders: list[Name] = Field(description="Contenders in the order given.")
    slo: Slo = Field(description="The service level objective.")
    more_slos: list[Slo] = Field(
        default=[], description="Further objectives, judged from the same trials."
    )
    min_difference: Share = Field(
        default=0.05, description="Differences below this share have no practical meaning."
    )
    aa_test: Name | None = Field(
        default=None, description="Contender that was also run against itself; null: none."
    )
    load: Load = Field(description="The load levels.")
    calibration: Calibration | None = Field(
        default=None, description="How the client's ceiling was measured."
    )
    price: Price | None = Field(
        default=None, description="What an hour of the server's machine costs; null: not given."
    )

    @property
    def slos(self) -> tuple[Slo, ...]:
        """The main SLO first."""
        return (self.slo, *self.more_slos)

    @property
    def aa_copy(self) -> str | None:
        """Name under which the noise floor's contender runs a second time."""
        return f"{self.aa_test}-again" if self.aa_test else None


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


class Dropped(_Part):
    """Trials that the run's budget of time left no room for."""

    purpose: str = Field(description="search, measurement, noise or engines (measured alone).")
    repeat: Block = Field(description="The block; 0: a search, or every block.")
    contender: Name | None = Field(description="Name of the contender; null: every contender.")
    detail: str = Field(description="What was left out.")


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
    dropped: list[Dropped] = Field(default=[], description="What was left out for lack of time.")

    def planned_repeats(self, contender: str) -> int:
        """Repeats of a contender that the budget of time left in the plan."""
        dropped = {
            entry.repeat
            for entry in self.dropped
            if entry.purpose == "measurement"
            and entry.repeat > 0
            and entry.contender in (None, contender)
        }
        return self.experiment.repeats - len(dropped)


def read_manifest(run_dir: Path) -> Manifest:
    """Reads manifest.json; RecordError where it is missing, damaged or incomplete."""
    return read_stored(run_dir / "manifest.json", Manifest)
