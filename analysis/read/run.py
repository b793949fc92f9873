"""A run folder, read once into immutable values."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from loadtests.records.engines import EngineFacts, read_engines
from loadtests.records.manifest import Manifest, read_manifest
from loadtests.records.predictions import Predictions, read_predictions
from loadtests.records.run_trials import RunTables, read_trials
from loadtests.records.stored import RecordError
from loadtests.records.tables import REQUESTS_FILE
from loadtests.records.trials import Purpose, TrialRecord

REQUEST_COLUMNS = [
    *("request_index", "n_tokens", "phase", "scheduled_s", "sent_s", "done_s", "status"),
]
TELEMETRY_COLUMNS = [
    *("t_s", "server_cpu_s", "server_rss_bytes", "gateway_cpu_s", "load_cpu_s"),
    *("gpu_busy_pct", "gpu_sm_active_ratio", "gpu_tensor_active_ratio", "gpu_memory_bytes"),
    *("gpu_power_w", "gpu_energy_j", "gpu_sm_clock_mhz", "gpu_throttle_reasons"),
]


@dataclass(frozen=True)
class Trial:
    """One trial with its rows: REQUEST_COLUMNS and TELEMETRY_COLUMNS, both empty if it failed."""

    record: TrialRecord
    requests: pd.DataFrame
    telemetry: pd.DataFrame

    @property
    def completed(self) -> bool:
        return self.record.status == "completed"


@dataclass(frozen=True)
class Run:
    """One run: its manifest, its complete trials, in name order, its engines measured alone, and
    what was predicted before the first trial."""

    folder: Path
    manifest: Manifest
    trials: tuple[Trial, ...]
    engines: tuple[EngineFacts, ...] = ()
    predictions: Predictions | None = None

    def having(self, *purposes: Purpose) -> tuple[Trial, ...]:
        """The trials of these purposes, in name order."""
        return tuple(t for t in self.trials if t.record.purpose in purposes)

    @property
    def measurements(self) -> tuple[Trial, ...]:
        return self.having("measurement")


def load_run(run_dir: Path) -> Run:
    """Reads a run folder; RecordError, in one sentence, for anything missing or damaged."""
    manifest = read_manifest(run_dir)
    records = read_trials(run_dir, manifest.run_id)
    if not any(record.purpose in ("measurement", "search") for record in records.values()):
        raise RecordError(
            f"expected at least one complete measurement in {run_dir}, found none: "
            f"run it again with `{manifest.command}`."
        )
    tables = RunTables(run_dir)
    trials = tuple(_with_rows(record, tables) for record in records.values())
    return Run(run_dir, manifest, trials, read_engines(run_dir), read_predictions(run_dir))


def _with_rows(record: TrialRecord, tables: RunTables) -> Trial:
    # Text columns stay dictionary-coded: ten million rows then take 32 bytes each.
    requests = tables.requests(record, REQUEST_COLUMNS, coded=("phase", "status"))
    problem = _contradiction(record, requests) if record.status == "completed" else None
    if problem:
        raise tables.refusal(REQUESTS_FILE, record.trial_id, problem)
    return Trial(record, requests, tables.telemetry(record, TELEMETRY_COLUMNS))


def _contradiction(record: TrialRecord, requests: pd.DataFrame) -> str | None:
    timeless = requests["sent_s"].isna() | requests["done_s"].isna()
    if (timeless & (requests["status"] == "ok")).any():
        return "has a success without the times at which it was sent and done"
    assert record.phases is not None  # every completed trial has them
    early = requests["scheduled_s"] < record.phases.warmup_s
    if (early & (requests["phase"] == "steady")).any():
        return "has a request of the steady state that was scheduled before it"
    return None
