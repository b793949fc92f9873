"""This project's own client as one more load tool: the figures that other tools state, too."""

from collections.abc import Callable
from dataclasses import dataclass

from loadtests.measure.locust_process import LoadGenerator, slice_order
from loadtests.records.percentiles import FloatArray, in_ms, nearest_rank
from loadtests.records.steady_state import SteadyState, steady_state
from loadtests.records.trials import Phases
from loadtests.selfcheck.outside_tools import SUCCESSES_FOR_P99, ToolLoad, ToolMeasurement

WARMUP_S = 1.0
TIMEOUT_S = 10.0

Correction = Callable[[FloatArray, float], FloatArray]
"""Service times as another tool counts them, given them and the mean seconds between the requests
of one connection."""


@dataclass(frozen=True)
class OwnRun:
    """Its steady state; callers is 0 in the open loop."""

    steady: SteadyState
    callers: int

    def figures(self, correct: Correction | None = None) -> ToolMeasurement:
        samples_s, throughput_rps = self.steady.service_time_s, self.steady.throughput_rps
        n_ok = len(samples_s)
        if correct and throughput_rps:
            samples_s = correct(samples_s, self.callers / throughput_rps)
        # A correction adds samples, but no evidence: what succeeded decides what is stated.
        p99_ms = in_ms(nearest_rank(samples_s, 99)) if n_ok >= SUCCESSES_FOR_P99 else None
        return ToolMeasurement(
            n_ok=n_ok,
            n_failed=self.steady.n_failed,
            throughput_rps=throughput_rps,
            p50_ms=in_ms(nearest_rank(samples_s, 50)),
            p99_ms=p99_ms,
        )


def measure_own(generator: LoadGenerator, load: ToolLoad) -> OwnRun:
    """One slice through Locust, with a warm-up that is discarded; DriveError when it fails."""
    phases = Phases(WARMUP_S, load.steady_s)
    order = slice_order(
        load.address, load.level, phases, own_cores=load.own_cores, timeout_s=TIMEOUT_S
    )
    rows = generator.replay(order, load.schedule).rows
    return OwnRun(steady_state(rows, phases), load.level.concurrency or 0)
