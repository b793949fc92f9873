"""The tables of a trial: one row a request, one row a telemetry sample (see results/README.md)."""

import os
from collections.abc import Sequence
from itertools import product
from pathlib import Path

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
        ("phase", pa.string()),  # warm-up | steady
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

MOST_TABLE_BYTES = 4 * 2**30
MOST_ROWS = 50_000_000
_NEVER_NULL = {"request_index", "phase", "scheduled_s", "status", "t_s"}
_MOST = {"request_index": MOST_ROWS}


def write_table(path: Path, frame: pd.DataFrame, schema: pa.Schema) -> None:
    """Writes frame as Parquet with exactly the columns and types of schema."""
    columns = frame.reindex(columns=schema.names)
    pq.write_table(
        pa.Table.from_pandas(columns, schema=schema, preserve_index=False),
        path,
        compression="zstd",
    )


def read_requests(folder: Path) -> pd.DataFrame:
    """One row a request, columns as REQUESTS_SCHEMA; empty for a trial that failed."""
    return _table_or_empty(folder / "requests.parquet", REQUESTS_SCHEMA)


def read_telemetry(folder: Path) -> pd.DataFrame:
    """One row a sample, columns as TELEMETRY_SCHEMA; empty for a trial that failed."""
    return _table_or_empty(folder / "telemetry.parquet", TELEMETRY_SCHEMA)


def _table_or_empty(path: Path, schema: pa.Schema) -> pd.DataFrame:
    if os.path.lexists(path):
        return read_table(path, schema, schema.names)
    frame: pd.DataFrame = schema.empty_table().to_pandas()
    return frame


def read_table(
    path: Path, schema: pa.Schema, columns: Sequence[str], coded: Sequence[str] = ()
) -> pd.DataFrame:
    """These columns of a table of schema; RecordError where they cannot be what they should.

    The coded ones, texts of few values, stay dictionary-coded. LATER_COLUMNS may be missing.
    """
    try:
        with open_regular(path, MOST_TABLE_BYTES) as stream:
            metadata = pq.read_metadata(stream)
            there = metadata.schema.to_arrow_schema().names
            columns = [name for name in columns if name in there or name not in LATER_COLUMNS]
            problem = _schema_problem(metadata, schema, columns)
            if problem is None:
                file = pq.ParquetFile(stream, metadata=metadata, read_dictionary=list(coded))
                table = file.read(columns=list(columns))
                problem = next(filter(None, map(_problem, columns, table.columns)), None)
    except FileNotFoundError:
        problem = "is missing"
    except (pa.ArrowException, OSError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        problem = f"cannot be read ({shown(reason or str(error))})"
    if problem is not None:
        raise RecordError(f"{path} {problem}: the trial is damaged; {RESUME}")
    frame: pd.DataFrame = table.to_pandas()
    return frame


def _schema_problem(
    metadata: pq.FileMetaData, schema: pa.Schema, columns: Sequence[str]
) -> str | None:
    if metadata.num_rows > MOST_ROWS:
        return f"has {metadata.num_rows:,} rows, more than {MOST_ROWS:,}"
    found = metadata.schema.to_arrow_schema()
    for name in columns:
        if found.get_field_index(name) < 0:
            return f"has no column {name!r}, or two"
        stored, expected = found.field(name).type, schema.field(name).type
        if _kind(stored) != _kind(expected):
            return f"has {shown(str(stored))} in column {name!r}, expected {expected}"
    return None


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
        others = set(values.unique().to_pylist()) - {"warm-up", "steady"}
        return f"names a phase {shown(others.pop())}" if others else None
    if not (pa.types.is_integer(values.type) or pa.types.is_floating(values.type)):
        return None
    least, most = pc.min_max(values).as_py().values()
    bounds = (0, _MOST.get(name, 2**62)) if pa.types.is_integer(values.type) else (-1e15, 1e15)
    if least is None or bounds[0] <= least <= most <= bounds[1]:
        return None
    return f"has {least if least < bounds[0] else most} in column {name!r}"
