"""Packs a finished run: its trials become the lines of one file, their rows the row groups of two.

At each instant every trial is whole in one form or the other: the packed files get their names when
they are whole, and the folders go after that, all in one step.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from loadtests.records.atomic import on_disk, replacing
from loadtests.records.run_folder import (
    LOGS,
    REMOVED_TRIALS,
    own_folder,
    remove,
    remove_unfinished,
)
from loadtests.records.run_trials import (
    PACKED_SCHEMAS,
    TRIAL_ID,
    TRIALS,
    RunTables,
    read_trials,
    trial_folders,
    write_packed_trials,
)
from loadtests.records.stored import RESUME, RecordError, shown
from loadtests.records.tables import REQUESTS_FILE, SCHEMAS, TELEMETRY_FILE

SORTED_BY = {REQUESTS_FILE: "scheduled_s", TELEMETRY_FILE: "t_s"}

STEPS_PER_S = 2**20
"""Readings of the clock are packed to steps of about a microsecond, rounded up: their further
digits are noise that no compression makes smaller. The schedule stays exact: its digest is that of
its times."""

_CLOCK_READINGS = ("sent_s", "done_s")


def pack(run_dir: Path) -> None:
    """Packs the trials that have folders together with those that are packed already."""
    remove_unfinished(run_dir)
    folders = trial_folders(run_dir)
    if folders:
        trials = read_trials(run_dir)
        completed = [name for name, trial in trials.items() if trial.status == "completed"]
        tables = RunTables(run_dir)
        for name in SCHEMAS:
            _write_packed(run_dir / name, completed, tables)
        for folder in folders:
            if trials[folder.name].status == "failed":
                _keep_logs(run_dir, folder)
        write_packed_trials(run_dir, list(trials.values()))
    if own_folder(run_dir, TRIALS).exists():
        remove((run_dir / TRIALS).rename(run_dir / REMOVED_TRIALS))


def _write_packed(path: Path, trial_ids: Sequence[str], tables: RunTables) -> None:
    """One row group a trial: each can be read alone."""
    schema = PACKED_SCHEMAS[path.name].with_metadata({TRIAL_ID: json.dumps(trial_ids)})
    with replacing(path) as unfinished:
        with pq.ParquetWriter(
            unfinished, schema, compression="zstd", **_encoding(schema)
        ) as writer:
            for trial_id in trial_ids:
                rows = _rows(path, trial_id, tables)
                writer.write_table(rows, row_group_size=max(rows.num_rows, 1))
        on_disk(unfinished)


def _encoding(schema: pa.Schema) -> dict[str, Any]:
    """How each column is written: a third of the size that dictionaries for all would have."""
    by_type = {
        pa.float64(): "BYTE_STREAM_SPLIT",
        pa.float32(): "BYTE_STREAM_SPLIT",
        pa.int32(): "DELTA_BINARY_PACKED",
    }
    encoded = {field.name: by_type[field.type] for field in schema if field.type in by_type}
    return {
        "column_encoding": encoded,
        "use_dictionary": [name for name in schema.names if name not in encoded],
    }


def _rounded(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.divide(pc.ceil(pc.multiply(column, STEPS_PER_S)), STEPS_PER_S)


def _rows(path: Path, trial_id: str, tables: RunTables) -> pa.Table:
    """What a trial adds to the packed table, by schedule."""
    schema = PACKED_SCHEMAS[path.name]
    rows = tables.table(path.name, trial_id, SCHEMAS[path.name].names)
    rows = rows.take(pc.sort_indices(rows[SORTED_BY[path.name]]))
    columns = {name: rows[name] for name in rows.column_names}
    if path.name == REQUESTS_FILE:
        columns |= {name: _rounded(columns[name]) for name in _CLOCK_READINGS}
    columns[TRIAL_ID] = pa.repeat(trial_id, rows.num_rows)
    try:
        return pa.table(
            [
                columns[field.name].cast(field.type)
                if field.name in columns
                else pa.nulls(rows.num_rows, field.type)
                for field in schema
            ],
            schema=schema,
        )
    except pa.ArrowInvalid as error:
        raise RecordError(
            f"{path} cannot hold the rows of the trial {trial_id} ({shown(str(error))}): {RESUME}"
        ) from error


def _keep_logs(run_dir: Path, folder: Path) -> None:
    """Of a trial that failed, which somebody may want to know more of."""
    own_folder(run_dir, LOGS).mkdir(exist_ok=True)
    kept = own_folder(run_dir / LOGS, folder.name)
    kept.mkdir(exist_ok=True)
    for log in folder.glob("*.log"):
        log.replace(kept / log.name)
