"""The requests that one Locust process sent, as bytes; those of all processes as one table."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

_TYPES: dict[type, Any] = {int: np.int64, float: np.float64, str: np.str_}


@dataclass(slots=True)
class Row:
    """One request; times in seconds on the slice's clock, NaN where it did not happen."""

    request_index: int
    text_id: int
    scheduled_s: float
    sent_s: float = float("nan")
    done_s: float = float("nan")
    status: str = "not_sent"
    label: str = ""
    confidence: float = float("nan")


def packed(rows: Sequence[Row]) -> bytes:
    columns = {
        name: np.array([getattr(row, name) for row in rows], dtype=_TYPES[kind])
        for name, kind in Row.__annotations__.items()
    }
    content = io.BytesIO()
    np.savez(content, **columns)
    return content.getvalue()


def merged(by_worker: Sequence[bytes], warmup_s: float) -> pd.DataFrame:
    """The rows of all workers as REQUESTS_SCHEMA, by schedule."""
    frames = []
    for worker, content in enumerate(by_worker):
        with np.load(io.BytesIO(content)) as stored:
            frame = pd.DataFrame({name: stored[name] for name in Row.__annotations__})
        frames.append(frame.assign(worker=worker))
    found = pd.concat(frames, ignore_index=True).sort_values("scheduled_s", kind="stable")
    found["phase"] = np.where(found["scheduled_s"] < warmup_s, "warm-up", "steady")
    found["label"] = found["label"].where(found["label"] != "", None)
    return found.reset_index(drop=True)
