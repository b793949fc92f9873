"""The tables of a trial: one row a request, one row a telemetry sample (see results/README.md)."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import BinaryIO

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from loadtests.records.stored import RESUME, RecordError, shown
from servers.contract import LENGTH_BUCKETS
from servers.regular_file import open_regular

BUCKETS_TOKENS = LENGTH_BUCKETS
"""The buckets that n_tokens falls in: those to which batching servers pad."""

REQUESTS_SCHEMA = pa.schema(
    [
        ("request_index", pa.int32()),
        ("text_id", pa.int32()),
        ("n_tokens", pa.int16()),  # of the text, after truncation
        ("phase", pa.string()),  # warm-up | steady | recovery
        ("scheduled_s", pa.float64()),
        ("sent_s", pa.float64()),  # null: never sent
        ("done_s", pa.float64()),  # null: no reply
        ("status", pa.string()),  # see results/README.md
        ("worker", pa.int16()),
        ("label", pa.string()),  # null: this answer was not sampled
        ("confidence", pa.float32()),
    ]
)

_CORE_TIMES = tuple(
    f"{side}_cores_{what}_s"
    for side, what in product(("server", "load"), ("busy", "idle", "irq", "steal"))
)
LATER_COLUMNS = frozenset({"study_cpu_s", *_CORE_TIMES, "server_wait_s", "cpu_pressure_s"})
"""Of the telemetry; runs of before these were read lack them."""

TELEMETRY_SCHEMA = pa.schema(
    [
        ("t_s", pa.float64()),
        ("server_cpu_s", pa.float64()),
        ("server_rss_bytes", pa.int64()),
        ("gateway_cpu_s", pa.float64()),  # of the server's, that of its gateway; null: has none
        ("gateway_rss_bytes", pa.int64()),
        ("load_cpu_s", pa.float64()),
        ("load_rss_bytes", pa.int64()),
        ("study_cpu_s", pa.float64()),  # of the study itself, which runs on the load's cores
        *((name, pa.float64()) for name in _CORE_TIMES),
        ("server_wait_s", pa.float64()),  # its threads, in run queues
        ("cpu_pressure_s", pa.float64()),  # of the whole machine
        ("gpu_busy_pct", pa.float64()),
        ("gpu_memory_bytes", pa.int64()),
        ("gpu_power_w", pa.float64()),
        ("gpu_sm_clock_mhz", pa.float64()),
        ("gpu_sm_active_ratio", pa.float64()),  # since the sample before, 0 to 1
        ("gpu_tensor_active_ratio", pa.float64()),
        ("gpu_energy_j", pa.float64()),  # since the driver was loaded
        ("gpu_throttle_reasons", pa.int64()),  # bitmask: nvmlClocksEventReasons
    ]
)

REQUESTS_FILE, TELEMETRY_FILE = "requests.parquet", "telemetry.parquet"
SCHEMAS = {REQUESTS_FILE: REQUESTS_SCHEMA, TELEMETRY_FILE: TELEMETRY_SCHEMA}

MOST_ROWS = 50_000_000
_MOST_TABLE_BYTES = 64 * 2**30
_NEVER_NULL = {"request_index", "phase", "scheduled_s", "status", "t_s"}
_MOST = {"request_index": MOST_ROWS}


class DamagedTable(ValueError):
    """What is wrong with a table, as the rest of a sentence that begins with its path."""


def write_table(path: Path, frame: pd.DataFrame, schema: pa.Schema) -> None:
    """Writes frame as Parquet with exactly the columns and types of schema."""
    columns = frame.reindex(columns=schema.names)
    pq.write_table(
        pa.Table.from_pandas(columns, schema=schema, preserve_index=False),
        path,
        compression="zstd",
    )


def read_requests(folder: Path) -> pd.DataFrame:
    """One row a request, columns as REQUESTS_SCHEMA; empty where the folder has no such table."""
    return _frame_or_empty(folder / REQUESTS_FILE)


def read_telemetry(folder: Path) -> pd.DataFrame:
    """One row a sample, columns as TELEMETRY_SCHEMA; empty where the folder has no such table."""
    return _frame_or_empty(folder / TELEMETRY_FILE)


def _frame_or_empty(path: Path) -> pd.DataFrame:
    schema = SCHEMAS[path.name]
    table = read_table(path, schema.names) if os.path.lexists(path) else schema.empty_table()
    frame: pd.DataFrame = table.to_pandas()
    return frame


def read_table(path: Path, columns: Sequence[str], coded: Sequence[str] = ()) -> pa.Table:
    """These columns of the table of a trial; RecordError where they cannot be what they should.

    The coded ones, texts of few values, stay dictionary-coded. LATER_COLUMNS may be missing.
    """
    with opened_table(path, f"the trial is damaged; {RESUME}") as stream:
        file = pq.ParquetFile(stream, read_dictionary=list(coded))
        there = checked_columns(file.metadata, SCHEMAS[path.name], columns)
        refuse_too_many(file.metadata.num_rows)
        return checked(file.read(columns=there))


@contextmanager
def opened_table(path: Path, remedy: str) -> Iterator[BinaryIO]:
    """The file, open; RecordError for what is found wrong with it meanwhile."""
    try:
        with open_regular(path, _MOST_TABLE_BYTES) as stream:
            yield stream
    except FileNotFoundError:
        problem = "is missing"
    except DamagedTable as damaged:
        problem = str(damaged)
    except (pa.ArrowException, OSError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        problem = f"cannot be read ({shown(reason or str(error))})"
    else:
        return
    raise RecordError(f"{path} {problem}: {remedy}")


def checked_columns(
    metadata: pq.FileMetaData, schema: pa.Schema, columns: Sequence[str]
) -> list[str]:
    """Those of the columns that are there, each once and of its kind; DamagedTable otherwise."""
    found = metadata.schema.to_arrow_schema()
    there = [name for name in columns if name in found.names or name not in LATER_COLUMNS]
    for name in there:
        if found.get_field_index(name) < 0:
            raise DamagedTable(f"has no column {name!r}, or two")
        stored, expected = found.field(name).type, schema.field(name).type
        if _kind(stored) != _kind(expected):
            raise DamagedTable(f"has {shown(str(stored))} in column {name!r}, expected {expected}")
    return there


def refuse_too_many(n_rows: int) -> None:
    if n_rows > MOST_ROWS:
        raise DamagedTable(f"has {n_rows:,} rows, more than {MOST_ROWS:,}")


def checked(table: pa.Table) -> pa.Table:
    """The table; DamagedTable where a column holds what cannot be."""
    problem = next(filter(None, map(_problem, table.column_names, table.columns)), None)
    if problem:
        raise DamagedTable(problem)
    return table


def _kind(stored: pa.DataType) -> tuple[bool, bool, bool]:
    """Its width aside: other tools write wider numbers and texts."""
    types = pa.types
    is_text = types.is_string(stored) or types.is_large_string(stored)
    return is_text, types.is_integer(stored), types.is_floating(stored)


def _problem(name: str, values: pa.ChunkedArray) -> str | None:
    """What a column holds that cannot be, if anything."""
    if name in _NEVER_NULL and values.null_count:
        return f"lacks a value in column {name!r}"
    if name == "phase":
        others = set(values.unique().to_pylist()) - {"warm-up", "steady", "recovery"}
        return f"names a phase {shown(others.pop())}" if others else None
    if not (pa.types.is_integer(values.type) or pa.types.is_floating(values.type)):
        return None
    least, most = pc.min_max(values).as_py().values()
    bounds = (0, _MOST.get(name, 2**62)) if pa.types.is_integer(values.type) else (-1e15, 1e15)
    if least is None or bounds[0] <= least <= most <= bounds[1]:
        return None
    return f"has {least if least < bounds[0] else most} in column {name!r}"
