"""The files of a run: the only interface between load and analysis (see results/README.md).

This module holds what is JSON; loadtests/tables.py the Parquet beside it.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

SCHEMA_VERSION = 2

SEND_LAG_SHARE = 0.1
"""Share of the SLO's latency by which requests may leave late (P99): beyond it a trial is repeated,
and not used if it stays late. The lag is the client's delay inside the measured latency: a tenth
of the bound cannot turn a clear answer around."""

CEILING_SHARE = 0.5
"""Above half of what the client does against a server that answers at once, its own queueing
begins to show in the tail."""

CLIENT_LIMIT = "client_limit"
"""Status of a request that failed because the client's machine had no more descriptors, ports or
memory."""

Mode = Literal["open", "closed"]
Purpose = Literal["measurement", "calibration", "search", "noise"]
TrialStatus = Literal["completed", "failed"]


@dataclass(frozen=True)
class Level:
    """One load level: an arrival rate (open loop) or a number of callers (closed loop)."""

    mode: Mode
    rate_rps: float | None = None
    concurrency: int | None = None

    @property
    def label(self) -> str:
        return f"{self.rate_rps:g}rps" if self.mode == "open" else f"c{self.concurrency}"


@dataclass(frozen=True)
class Phases:
    """Seconds on the trial's clock: warm-up is [0, warmup_s), steady state the steady_s after."""

    warmup_s: float
    steady_s: float
    drain_s: float = 0.0


@dataclass(frozen=True)
class ParityRecord:
    """Answers of before and during the load, compared with the reference answers; or, for a service
    with a model of its own ("consistency"), labels only, with its own answers of before the load.

    max_confidence_gap None: no confidence was compared.
    """

    checked: int
    mismatches: int
    max_confidence_gap: float | None
    example: str | None = None
    against: Literal["reference", "consistency"] = "reference"


@dataclass(frozen=True)
class TrialRecord:
    """trial.json: one contender x one load level x one repeat.

    contender holds the fields of servers.discovery.Contender. counters_* hold the fields of
    servers.contract.ServerCounters, read before the warm-up and after the drain. cores maps
    "server" and "load" to core numbers; telemetry_sources names where each column of
    telemetry.parquet came from (null: it has no value). attempts_send_lag_p99_ms has one entry an
    attempt, the last one kept; null in a closed loop. client_failed: it failed by the load
    generator, and not by the server.
    """

    trial_id: str
    purpose: Purpose
    contender: Mapping[str, Any]
    level: Level
    repeat: int
    order: int
    status: TrialStatus
    reason: str | None = None
    log_tail: tuple[str, ...] = ()
    started_at: str = ""
    startup_s: float | None = None
    phases: Phases | None = None
    cores: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    workers: int = 1
    schedule_digest: str | None = None
    attempts_send_lag_p99_ms: tuple[float | None, ...] = ()
    parity: ParityRecord | None = None
    counters_before: Mapping[str, int | None] | None = None
    counters_after: Mapping[str, int | None] | None = None
    telemetry_sources: Mapping[str, str | None] = field(default_factory=dict)
    client_failed: bool = False
    schema_version: int = SCHEMA_VERSION

    @property
    def contender_name(self) -> str:
        return str(self.contender["name"])


@dataclass(frozen=True)
class Dropped:
    """An entry of `dropped` in manifest.json: what the time budget left no room for.

    repeat is the block, 0 in the search or where it means every block; contender None means every
    contender. Purpose "engines": the engines alone.
    """

    purpose: Purpose | Literal["engines"]
    repeat: int
    contender: str | None
    detail: str


@dataclass(frozen=True)
class EngineFacts:
    """An entry of engines.json: one engine in one placement, measured alone (results/README.md).

    placement holds the fields of servers.classifier.placement.Placement, proof and the points of
    the curve those of servers.classifier. reason says why available is false: then nothing below it
    is known. flops_per_request is by padded length in tokens.
    """

    engine: str
    placement: Mapping[str, Any]
    used_by: tuple[str, ...]
    available: bool
    reason: str
    version: str = ""
    device_name: str = ""
    proof: Mapping[str, Any] | None = None
    curve: tuple[Mapping[str, Any], ...] = ()
    flops_per_request: Mapping[str, float] = field(default_factory=dict)
    matmul_flops_per_s: float | None = None


class RecordError(ValueError):
    """A results folder cannot be read as one of this project's runs."""


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def read_json(path: Path) -> dict[str, Any]:
    try:
        value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RecordError(
            f"expected {path.name} in {path.parent}, found none: give the folder of a run, "
            "as printed by `study list`."
        ) from None
    except json.JSONDecodeError as error:
        raise RecordError(f"{path} is not JSON ({error}): the run is damaged.") from error
    found = value.get("schema_version")
    if found != SCHEMA_VERSION:
        raise RecordError(
            f"{path} has schema version {found}, this version of the study reads "
            f"{SCHEMA_VERSION}: use the version that made the run."
        )
    return value


def write_trial(folder: Path, trial: TrialRecord) -> None:
    write_json(folder / "trial.json", asdict(trial))


def read_trial(folder: Path) -> TrialRecord:
    raw = read_json(folder / "trial.json")
    raw["level"] = Level(**raw["level"])
    raw["phases"] = Phases(**raw["phases"]) if raw["phases"] else None
    raw["parity"] = ParityRecord(**raw["parity"]) if raw["parity"] else None
    raw["log_tail"] = tuple(raw["log_tail"])
    raw["attempts_send_lag_p99_ms"] = tuple(raw["attempts_send_lag_p99_ms"])
    raw["cores"] = {role: tuple(cores) for role, cores in raw["cores"].items()}
    return TrialRecord(**raw)


def trial_folders(run_dir: Path) -> list[Path]:
    """The complete trials of a run, in name order (a name starting with '.' is unfinished)."""
    return sorted(p for p in (run_dir / "trials").glob("[!.]*") if (p / "trial.json").exists())
