"""This project's own client as one more load tool: the figures that other tools state, too."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from loadtests.generator.worker_rows import read_rows
from loadtests.measure.locust_process import assign, driving
from loadtests.records.slo import nearest_rank
from loadtests.records.trials import Phases
from loadtests.selfcheck.outside_tools import SUCCESSES_FOR_P99, ToolLoad, ToolMeasurement

WARMUP_S = 1.0
TIMEOUT_S = 10.0

Correction = Callable[[NDArray[np.float64], float], NDArray[np.float64]]
"""Service times as another tool counts them, given them and the mean seconds between the requests
of one connection."""


@dataclass(frozen=True)
class OwnRun:
    """service_time_s: done minus sent of the successes of the steady state, in seconds."""

    service_time_s: NDArray[np.float64]
    n_failed: int
    throughput_rps: float
    callers: int

    def figures(self, correct: Correction | None = None) -> ToolMeasurement:
        n_ok = len(self.service_time_s)
        samples_s = self.service_time_s
        if correct and self.throughput_rps:
            samples_s = correct(samples_s, self.callers / self.throughput_rps)
        p50_s, p99_s = nearest_rank(samples_s, 50), nearest_rank(samples_s, 99)
        return ToolMeasurement(
            n_ok=n_ok,
            n_failed=self.n_failed,
            throughput_rps=self.throughput_rps,
            p50_ms=None if p50_s is None else p50_s * 1000,
            p99_ms=p99_s * 1000 if p99_s is not None and n_ok >= SUCCESSES_FOR_P99 else None,
        )


def measure_own(load: ToolLoad) -> OwnRun:
    """One run through Locust, with a warm-up that is discarded; DriveError when it fails."""
    assignment = assign(
        load.address,
        load.level,
        Phases(WARMUP_S, load.steady_s),
        load.schedule,
        load.traffic,
        load.work,
        own_cores=load.own_cores,
        timeout_s=TIMEOUT_S,
    )
    with driving(assignment, load.cores, load.work / "locust.log") as drive:
        drive.wait()
    rows, _ = read_rows(load.work, WARMUP_S)
    steady, ok = rows["phase"] == "steady", rows["status"] == "ok"
    succeeded = rows[steady & ok]
    in_window = rows["done_s"].between(WARMUP_S, WARMUP_S + load.steady_s, inclusive="left")
    return OwnRun(
        service_time_s=(succeeded["done_s"] - succeeded["sent_s"]).to_numpy(),
        n_failed=int((steady & ~ok).sum()),
        throughput_rps=float((ok & in_window).sum()) / load.steady_s,
        callers=load.level.concurrency or 0,
    )
