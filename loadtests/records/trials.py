"""The files of a run: the only interface between load and analysis (see results/README.md).

This module holds what is JSON; loadtests/records/tables.py the Parquet beside it.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, GetPydanticSchema
from pydantic_core.core_schema import no_info_after_validator_function

from loadtests.records.atomic import replacing
from loadtests.records.overload import Overload
from loadtests.records.stored import (
    RESUME,
    SCHEMA_VERSION,
    Block,
    Core,
    Count,
    Finite,
    LengthS,
    Name,
    Number,
    Positive,
    RecordError,
    Share,
    WindowS,
    read_stored,
    shown,
)
from servers.storable import storable_json

SEND_LAG_SHARE = 0.1
"""Share of the SLO's latency by which requests may leave late (P99): beyond it a slice is not used,
and made again. The lag is the client's delay inside the measured latency: a tenth
of the bound cannot turn a clear answer around."""

CEILING_SHARE = 0.5
"""Above half of what the client does against a server that answers at once, its own queueing
begins to show in the tail."""

CLIENT_LIMIT = "client_limit"
"""Status of a request that failed because the client's machine had no more descriptors, ports or
memory."""

Mode = Literal["open", "closed"]
Purpose = Literal["measurement", "calibration", "search", "noise", "overload"]
TrialStatus = Literal["completed", "failed"]


@dataclass(frozen=True)
class Level:
    """One load level: an arrival rate (open loop) or a number of callers (closed loop)."""

    mode: Mode
    rate_rps: Positive | None = None
    concurrency: Count | None = None

    def __post_init__(self) -> None:
        if (self.rate_rps is None) == (self.mode == "open"):
            raise ValueError("expected rate_rps in the open loop, concurrency in the closed one")

    @property
    def label(self) -> str:
        """Part of a trial's name."""
        return f"{self.rate_rps:g}rps" if self.mode == "open" else f"c{self.concurrency}"

    @property
    def in_words(self) -> str:
        """Such as 75 rps, or 4 callers."""
        if self.mode == "open":
            return f"{self.rate_rps:g} rps"
        return f"{self.concurrency} caller{'s' if self.concurrency != 1 else ''}"


@dataclass(frozen=True)
class Phases:
    """Seconds on the trial's clock: warm-up is [0, warmup_s), steady state the steady_s after."""

    warmup_s: LengthS
    steady_s: WindowS
    drain_s: LengthS = 0.0


@dataclass(frozen=True)
class ClockOffset:
    """How far the monotonic clock of a load worker is ahead of that of the study, and within what
    that is known. An offset within its uncertainty is that of processes which share a clock."""

    offset_s: Finite
    uncertainty_s: LengthS


@dataclass(frozen=True)
class ParityRecord:
    """Answers of before and during the load, compared with the reference answers; or, for a service
    with a model of its own ("consistency"), labels only, with its own answers of before the load.

    max_confidence_gap None: no confidence was compared.
    """

    checked: Count
    mismatches: Count
    max_confidence_gap: Finite | None
    example: str | None = None
    against: Literal["reference", "consistency"] = "reference"


@dataclass(frozen=True)
class MachineState:
    """What the machine did around a slice, whatever the slice itself showed (see
    loadtests/measure/machine.py). Null everywhere: not known."""

    probe_ms: Annotated[
        Number | None,
        Field(
            description="Time of a fixed piece of work on a core of the server before the slice."
        ),
    ] = None
    usual_probe_ms: Annotated[
        Number | None,
        Field(description="Median of it in the slices of the run before; null: they were too few."),
    ] = None
    steal_share: Annotated[
        Mapping[str, Number | None],
        Field(
            description="By side (server, load), the share of its cores' time that the hypervisor "
            "gave to other guests."
        ),
    ] = field(default_factory=dict)
    cpu_pressure_share: Annotated[
        Number | None,
        Field(
            description="Share of the slice in which any program of the machine, the server among "
            "them, waited for a core. No check rests on it."
        ),
    ] = None
    idle_cpu_share: Annotated[
        Number | None,
        Field(
            description="Share of the server's cores that resident contenders used without load; "
            "null: there was none."
        ),
    ] = None
    idle_cpu_s: Annotated[
        Mapping[Name, Number], Field(description="CPU seconds of each of them over the slice.")
    ] = field(default_factory=dict)
    work_us: Annotated[
        Mapping[Name, Number],
        Field(
            description="CPU time of fixed pieces of work on the server's cores during the slice, "
            "by piece (geometric mean). Empty: not known."
        ),
    ] = field(default_factory=dict)


@dataclass(frozen=True)
class DeviceRecord:
    """What the simulated device of a contender did over a slice, by its own clock. Errors: what its
    passes took over what the curve says, less one; null: there was no pass."""

    label: Annotated[str, Field(description="Card, precision, software and source of its curve.")]
    passes: Annotated[Count, Field(description="Passes that began.")]
    busy_share: Annotated[Share, Field(description="Share of the time with a pass on the device.")]
    pass_error_p50: Annotated[Number | None, Field(description="Median error of a pass.")]
    pass_error_p99: Annotated[Number | None, Field(description="P99 of the errors.")]


class _Declared(BaseModel):
    """What analysis reads of a contender's declaration; the rest is kept as it is."""

    model_config = ConfigDict(extra="allow")

    name: Name
    server: str
    protocol: Name
    engine: str
    setting: str
    batching: bool
    summary: str
    components: Count | list[str]
    options: Mapping[str, str | bool | int | float | None] = {}


Declaration = Annotated[
    Mapping[str, Any],
    GetPydanticSchema(
        lambda _, handler: no_info_after_validator_function(
            dict, handler.generate_schema(_Declared)
        )
    ),
]


@dataclass(frozen=True)
class TrialRecord:
    """trial.json, or a line of trials.jsonl: one contender x one load level x one
    round, whose number is repeat.

    contender holds the fields of servers.discovery.Contender. counters_* hold the fields of
    servers.contract.TimedCounters, read before the warm-up and after the drain. cores maps
    "server" and "load" to core numbers; telemetry_sources names where each column of
    telemetry.parquet came from (null: it has no value). send_lag_p99_ms: null in a closed loop.
    foreign_share: by side ("server", "load") the share of its cores' time that went to others
    (loadtests.records.disturbance). machine None: it was not watched.
    client_failed: it failed by the load generator, and not by the server.
    startup_s: what the start of its server took; slices with the same number share that start.
    attempt: 2 where machine or client spoilt the first one of this round.
    resident: the contenders that were up beside this one, itself among them.
    overload: what was offered around the steady state, which is the overload; null: no such trial.
    reply_lateness_p99_ms: how late the replies of a simulated service left; null: not one.
    clock_offsets: of each load worker, by its number in the column worker of requests.parquet.
    simulated_device: what it did; null: the engine computes.
    run_id None: made by an earlier version.
    """

    trial_id: Name
    purpose: Purpose
    contender: Declaration
    level: Level
    repeat: Block
    order: Count
    status: TrialStatus
    reason: str | None = None
    log_tail: tuple[str, ...] = ()
    started_at: str = ""
    startup_s: LengthS | None = None
    phases: Phases | None = None
    cores: Mapping[str, tuple[Core, ...]] = field(default_factory=dict)
    workers: Count = 1
    schedule_digest: str | None = None
    send_lag_p99_ms: Number | None = None
    foreign_share: Mapping[str, Number | None] = field(default_factory=dict)
    machine: MachineState | None = None
    parity: ParityRecord | None = None
    counters_before: Mapping[str, Count | None] | None = None
    counters_after: Mapping[str, Count | None] | None = None
    telemetry_sources: Mapping[str, str | None] = field(default_factory=dict)
    client_failed: bool = False
    overload: Overload | None = None
    reply_lateness_p99_ms: Number | None = None
    attempt: Count = 1
    resident: tuple[Name, ...] = ()
    clock_offsets: Mapping[str, ClockOffset] = field(default_factory=dict)
    run_id: Name | None = None
    simulated_device: DeviceRecord | None = None
    schema_version: int = SCHEMA_VERSION

    @property
    def contender_name(self) -> str:
        return str(self.contender["name"])


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    path.write_text(storable_json(value, indent=2) + "\n", encoding="utf-8")


def write_stored(path: Path, found: Mapping[str, Any]) -> None:
    """What read_stored reads: found beside the version of its form, complete or not at all."""
    with replacing(path) as unfinished:
        write_json(unfinished, {"schema_version": SCHEMA_VERSION, **found})


def read_json(path: Path) -> dict[str, Any]:
    return read_stored(path, dict[str, Any])


class Begun(BaseModel):
    """What the load side reads again of the manifest of a run that it continues."""

    run_id: Name | None = None
    experiment: dict[str, Any] = {}


def read_begun(run_dir: Path) -> Begun:
    return read_stored(run_dir / "manifest.json", Begun)


def write_trial(folder: Path, trial: TrialRecord) -> None:
    write_json(folder / "trial.json", asdict(trial))


def read_trial(folder: Path) -> TrialRecord:
    path = folder / "trial.json"
    trial = read_stored(path, TrialRecord, RESUME)
    refuse_contradiction(str(path), trial, RESUME)
    return trial


def refuse_contradiction(where: str, trial: TrialRecord, remedy: str) -> None:
    if trial.status == "completed" and trial.phases is None:
        raise RecordError(f"{where} is completed but names no phases: it is damaged; {remedy}")
    machine = trial.machine or MachineState()
    idle = {"server": machine.idle_cpu_share}
    for side, share in (*trial.foreign_share.items(), *machine.steal_share.items(), *idle.items()):
        if share is not None and not trial.cores.get(side):
            raise RecordError(
                f"{where} has the share of others on the cores of {shown(side)!r}, and no such "
                f"cores: it is damaged; {remedy}"
            )
