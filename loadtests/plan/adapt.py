from dataclasses import dataclass

from loadtests.records.slo import SloOutcome


@dataclass(frozen=True)
class SeenSlice:
    rate_rps: float
    outcomes: tuple[SloOutcome, ...]
    server_cpu_s_per_request: float | None
    latency_p50_ms: float | None
