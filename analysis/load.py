"""A run folder, read once into immutable values."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from analysis.engines import Engine, read_engines
from analysis.manifest import Manifest, read_manifest
from loadtests.records import Purpose, RecordError, TrialRecord, read_trial, trial_folders

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
    """One run: its manifest, its complete trials, in name order, and its engines measured alone."""

    folder: Path
    manifest: Manifest
    trials: tuple[Trial, ...]
    engines: tuple[Engine, ...] = ()

    def having(self, *purposes: Purpose) -> tuple[Trial, ...]:
        """The trials of these purposes, in name order."""
        return tuple(t for t in self.trials if t.record.purpose in purposes)

    @property
    def measurements(self) -> tuple[Trial, ...]:
        return self.having("measurement")


def load_run(run_dir: Path) -> Run:
    """Reads a run folder; RecordError, in one sentence, for anything missing or damaged."""
    manifest = read_manifest(run_dir)
    trials = tuple(_read(folder) for folder in trial_folders(run_dir))
    if not any(trial.record.purpose in ("measurement", "search") for trial in trials):
        raise RecordError(
            f"expected at least one complete measurement in {run_dir / 'trials'}, found none: "
            f"run it again with `{manifest.command}`."
        )
    return Run(run_dir, manifest, trials, read_engines(run_dir))


def _read(folder: Path) -> Trial:
    try:
        record = read_trial(folder)
    except (KeyError, TypeError) as error:
        raise RecordError(
            f"{folder / 'trial.json'} lacks or misnames a field ({error}): the trial is damaged; "
            "delete its folder and resume the run."
        ) from error
    if record.status == "failed":
        return Trial(
            record, pd.DataFrame(columns=REQUEST_COLUMNS), pd.DataFrame(columns=TELEMETRY_COLUMNS)
        )
    if record.phases is None:
        raise RecordError(
            f"{folder / 'trial.json'} is completed but names no phases: the trial is damaged; "
            "delete its folder and resume the run."
        )
    return Trial(
        record,
        _table(folder / "requests.parquet", REQUEST_COLUMNS),
        _table(folder / "telemetry.parquet", TELEMETRY_COLUMNS),
    )


def _table(path: Path, columns: list[str]) -> pd.DataFrame:
    try:
        # Text columns stay dictionary-coded: ten million rows then take 32 bytes each.
        texts = [name for name in columns if name in ("phase", "status")]
        table = pq.read_table(path, columns=columns, read_dictionary=texts)
    except FileNotFoundError:
        problem = "is missing"
    except (pa.ArrowException, OSError) as error:
        problem = f"cannot be read ({str(error).splitlines()[0]})"
    else:
        missing = [name for name in columns if name not in table.column_names]
        if not missing:
            frame: pd.DataFrame = table.to_pandas()
            return frame
        problem = f"has no column {missing[0]!r}"
    raise RecordError(
        f"{path} {problem}: the trial is damaged; delete its folder and resume the run."
    )
