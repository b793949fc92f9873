"""The tables of a trial: one row a request, one row a telemetry sample (see results/README.md)."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from loadtests.assignment import Row
from servers.contract import LENGTH_BUCKETS

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

TELEMETRY_SCHEMA = pa.schema(
    [
        ("t_s", pa.float64()),
        ("server_cpu_s", pa.float64()),
        ("server_rss_bytes", pa.int64()),
        ("gateway_cpu_s", pa.float64()),  # of the server's, that of its gateway; null: has none
        ("gateway_rss_bytes", pa.int64()),
        ("load_cpu_s", pa.float64()),
        ("load_rss_bytes", pa.int64()),
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
    return _read_table(folder / "requests.parquet", REQUESTS_SCHEMA)


def read_telemetry(folder: Path) -> pd.DataFrame:
    """One row a sample, columns as TELEMETRY_SCHEMA; empty for a trial that failed."""
    return _read_table(folder / "telemetry.parquet", TELEMETRY_SCHEMA)


def _read_table(path: Path, schema: pa.Schema) -> pd.DataFrame:
    table = pq.read_table(path) if path.exists() else schema.empty_table()
    frame: pd.DataFrame = table.to_pandas()
    return frame


def read_rows(out_dir: Path, warmup_s: float) -> tuple[pd.DataFrame, float]:
    """All workers' rows as REQUESTS_SCHEMA, by schedule, and the trial's start on the monotonic
    clock in seconds."""
    frames, starts = [], []
    for path in sorted(out_dir.glob("rows-*.npz")):
        with np.load(path) as stored:
            starts.append(float(stored["start_monotonic_s"]))
            frame = pd.DataFrame({name: stored[name] for name in Row.__annotations__})
        frame["worker"] = int(path.stem.removeprefix("rows-"))
        frames.append(frame)
    merged = pd.concat(frames, ignore_index=True).sort_values("scheduled_s", kind="stable")
    merged["phase"] = np.where(merged["scheduled_s"] < warmup_s, "warm-up", "steady")
    merged["label"] = merged["label"].where(merged["label"] != "", None)
    return merged.reset_index(drop=True), min(starts)
