"""The rows that the workers of one Locust run left, as one table by schedule."""

from pathlib import Path

import numpy as np
import pandas as pd

from loadtests.generator.assignment import Row


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
