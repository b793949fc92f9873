"""What the study orders of Locust for one slice: plain values, sent to it as a message."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from loadtests.records.trials import Mode
from servers.discovery import Protocol

MAX_IN_FLIGHT = 2048
"""Open requests a process holds; beyond it a request is recorded as not sent, not delayed."""

ANSWER_SAMPLE_EVERY = 19
"""Every how many requests the answer is kept and compared: parity is sampled during the load. A
prime: requests are dealt out to the load workers in turn, and of every 20th four workers would
compare only those of the first."""


@dataclass(frozen=True)
class SliceOrder:
    """foreign_wire holds the fields of loadtests.wire.formats.Wire; None: the contender speaks the
    study's own contract. own_cores: whether no server runs on the cores of the load generator.
    """

    protocol: Protocol
    host: str
    port: int
    foreign_wire: Mapping[str, Any] | None
    mode: Mode
    concurrency: int
    warmup_s: float
    steady_s: float
    timeout_s: float
    own_cores: bool

    @property
    def duration_s(self) -> float:
        return self.warmup_s + self.steady_s
