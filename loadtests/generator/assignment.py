"""What one Locust run of a study has to do, and the rows it leaves: files shared by both sides."""

import io
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from loadtests.records.atomic import replacing
from loadtests.records.trials import Mode
from servers.discovery import Protocol

MAX_IN_FLIGHT = 2048
"""Open requests a process holds; beyond it a request is recorded as not sent, not delayed."""

ANSWER_SAMPLE_EVERY = 19
"""Every how many requests the answer is kept and compared: parity is sampled during the load. A
prime: requests are dealt out to the load workers in turn, and of every 20th four workers would
compare only those of the first."""


@dataclass(frozen=True)
class Assignment:
    """Written by the study, read by every Locust process of the run.

    traffic and schedule are files; out_dir receives one rows file a process. foreign_wire holds
    the fields of loadtests.wire.formats.Wire; None: the contender speaks the study's own contract.
    own_cores: whether no server runs on the cores of the load generator.
    """

    protocol: Protocol
    host: str
    port: int
    mode: Mode
    concurrency: int
    warmup_s: float
    steady_s: float
    timeout_s: float
    workers: int
    traffic: str
    schedule: str
    out_dir: str
    foreign_wire: Mapping[str, Any] | None = None
    own_cores: bool = False

    @property
    def duration_s(self) -> float:
        return self.warmup_s + self.steady_s

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self), indent=2), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> "Assignment":
        return cls(**json.loads(path.read_text(encoding="utf-8")))


@dataclass(slots=True)
class Row:
    """One request; times in seconds on the trial's clock, NaN where it did not happen."""

    request_index: int
    text_id: int
    scheduled_s: float
    sent_s: float = float("nan")
    done_s: float = float("nan")
    status: str = "not_sent"
    label: str = ""
    confidence: float = float("nan")


def write_rows(out_dir: Path, worker: int, start_monotonic_s: float, rows: list[Row]) -> None:
    """One file a process: processes that share a file lose rows."""
    columns = {name: np.array([getattr(row, name) for row in rows]) for name in Row.__annotations__}
    content = io.BytesIO()
    np.savez(content, start_monotonic_s=start_monotonic_s, **columns)
    # Whole or not there: half a file on a full disk would be taken for the rows.
    with replacing(out_dir / f"rows-{worker}.npz") as unfinished:
        unfinished.write_bytes(content.getbuffer())
