"""What a running Triton says of itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class ModelCounters:
    """What a running server has counted for a model since it loaded it."""

    model: str
    inferences: int
    executions: int
    failures: int
    mean_compute_s: float | None


@dataclass(frozen=True)
class RunningServer:
    """canaries: for each model of which one inference was tried, why it failed ("": it did not)."""

    url: str
    version: str
    unavailable: Mapping[str, str] = field(default_factory=dict)
    counters: tuple[ModelCounters, ...] = ()
    canaries: Mapping[str, str] = field(default_factory=dict)
    rejected: Mapping[str, int] = field(default_factory=dict)
