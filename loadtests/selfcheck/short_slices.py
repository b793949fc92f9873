"""Do short slices flatter? P99 and capacity of simulated services, by slices and in the long run.

`python -m loadtests.selfcheck.short_slices --runs 60` simulates services at 50 to 95 % load (one
queue, in order; nothing is started) and measures each by ten slices that begin with an empty queue,
of a fixed 0.4 s + 2.5 s and as long as the study makes them. A median P99 below the true one comes
from few requests as well; how many requests lie over the true P99, 1 % if nothing is flattered,
shows the empty queue alone.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from loadtests.plan.adapt import SeenSlice
from loadtests.plan.slice_length import phases_for
from loadtests.records.experiment import LoadSpec
from loadtests.records.percentiles import FloatArray, nearest_rank
from loadtests.records.slo import SloOutcome
from loadtests.records.trials import Phases

LOAD = LoadSpec(warmup_s=0.4, steady_s=2.5)
FIXED = Phases(LOAD.warmup_s, LOAD.steady_s)
N_SLICES = 10
LOADS = (0.5, 0.8, 0.9, 0.95)
LONG_S, SETTLED_S = 5000.0, 60.0
GLANCE_S = 300.0
"""To know the truth, to let a queue settle, and to know what CPU and P50 a slice would show."""

FINE_STEP = 0.01
"""Of the rates at which capacity is looked for, as a share of the true one."""


@dataclass(frozen=True)
class Service:
    """One worker that takes what waits, up to max_batch: b requests take fixed_s + item_s x b."""

    name: str
    item_s: float
    exponential: bool = False
    fixed_s: float = 0.0
    max_batch: int = 1

    @property
    def highest_rps(self) -> float:
        return self.max_batch / (self.fixed_s + self.item_s * self.max_batch)

    def latencies_s(
        self, rng: np.random.Generator, rate_rps: float, length_s: float
    ) -> tuple[FloatArray, FloatArray, float]:
        """Arrivals within length_s, their latencies, and the seconds of work a request."""
        n = rng.poisson(rate_rps * length_s)
        arrived_s = np.sort(rng.uniform(0, length_s, n))
        if self.max_batch == 1:
            work_s = rng.exponential(self.item_s, n) if self.exponential else self.item_s
            done_s = np.cumsum(np.broadcast_to(work_s, n))
            # Lindley 1952, solved for all requests at once.
            free_s = np.maximum.accumulate(arrived_s - (done_s - work_s))
            return arrived_s, free_s + done_s - arrived_s, self.item_s
        done_s, busy_s = self._batched(arrived_s)
        return arrived_s, done_s - arrived_s, busy_s / max(1, n)

    def _batched(self, arrived_s: FloatArray) -> tuple[FloatArray, float]:
        done: list[float] = []
        free_s = busy_s = 0.0
        while len(done) < len(arrived_s):
            start_s = max(free_s, float(arrived_s[len(done)]))
            waiting = int(np.searchsorted(arrived_s, start_s, side="right")) - len(done)
            size = min(waiting, self.max_batch)
            took_s = self.fixed_s + self.item_s * size
            free_s, busy_s = start_s + took_s, busy_s + took_s
            done += [free_s] * size
        return np.array(done), busy_s


SERVICES = (
    Service("fixed 4 ms", 0.004),
    Service("exponential, mean 4 ms", 0.004, exponential=True),
    Service("fixed 1 ms", 0.001),
    Service("fixed 10 ms", 0.010),
    Service("4 ms a batch + 1.5 ms a request, up to 16", 0.0015, fixed_s=0.004, max_batch=16),
)


@dataclass(frozen=True)
class LongRun:
    p99_s: float
    p50_s: float
    work_s: float


def long_run(service: Service, rate_rps: float, length_s: float = LONG_S) -> LongRun:
    """A settled queue."""
    rng = np.random.default_rng(1)
    arrived_s, latency_s, work_s = service.latencies_s(rng, rate_rps, length_s)
    latency_s = latency_s[arrived_s > SETTLED_S]
    return LongRun(_p99(latency_s), float(np.median(latency_s)), work_s)


def phases_at(rate_rps: float, known: LongRun) -> Phases:
    """As the study makes them once it has seen the rate."""
    outcome = SloOutcome(True, False, None, 0.0, 0, 500)
    seen = SeenSlice(rate_rps, (outcome,), known.work_s, known.p50_s * 1000)
    return phases_for(LOAD, rate_rps, [seen], 1)


def pooled_s(service: Service, rate_rps: float, phases: Phases, n_runs: int) -> list[FloatArray]:
    """The latencies of N_SLICES slices together, run by run."""
    rng = np.random.default_rng(2)
    length_s = phases.warmup_s + phases.steady_s
    runs = []
    for _ in range(n_runs):
        slices = [service.latencies_s(rng, rate_rps, length_s) for _ in range(N_SLICES)]
        measured = [latency[arrived >= phases.warmup_s] for arrived, latency, _ in slices]
        runs.append(np.concatenate(measured))
    return runs


def median_p99_s(runs: Sequence[FloatArray]) -> float:
    return float(np.median([_p99(run) for run in runs]))


def share_over(runs: Sequence[FloatArray], bound_s: float) -> float:
    return float((np.concatenate(runs) > bound_s).mean())


def capacity_share(
    service: Service, bound_s: float, true_rps: float, fixed: bool, n_runs: int
) -> float:
    """The highest rate at which slices meet the bound (the median run), over the true capacity."""
    for share in np.arange(1 + 8 * FINE_STEP, 0, -FINE_STEP):
        rate_rps = true_rps * float(share)
        if rate_rps >= service.highest_rps:
            continue
        phases = FIXED if fixed else phases_at(rate_rps, long_run(service, rate_rps, GLANCE_S))
        if median_p99_s(pooled_s(service, rate_rps, phases, n_runs)) <= bound_s:
            return float(share)
    return 0.0


def _p99(latency_s: FloatArray) -> float:
    return nearest_rank(latency_s, 99) or 0.0


def row(service: Service, load: float, n_runs: int) -> str:
    """A line of the table: ratios to the truth, medians of n_runs."""
    rate_rps = load * service.highest_rps
    truth = long_run(service, rate_rps)
    phases = phases_at(rate_rps, truth)
    pools = [pooled_s(service, rate_rps, each, n_runs) for each in (FIXED, phases)]
    shares = [median_p99_s(runs) / truth.p99_s for runs in pools]
    over = [share_over(runs, truth.p99_s) for runs in pools]
    capacity = [
        capacity_share(service, truth.p99_s, rate_rps, fixed, max(1, n_runs // 4))
        for fixed in (True, False)
    ]
    length = f"{phases.warmup_s:.1f} s + {phases.steady_s:.1f} s"
    cells = [f"{service.name:42} {load:4.0%} {truth.p99_s * 1000:7.0f} ms  {length:13}"]
    cells += [f"{share:6.2f}" for share in shares]
    cells += [f"{share:6.2%}" for share in over]
    cells += [f"{share:6.2f}" for share in capacity]
    return "  ".join(cells)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=100)
    n_runs = parser.parse_args(arguments).runs
    print(f"simulated; {N_SLICES} slices a run, the median of {n_runs} runs over the long run")
    print(f"{'':77}P99 / true    over true P99    capacity / true")
    print(f"{'service':42} load   true P99  slice        {'  '.join(['   fixed    rule'] * 3)}")
    for service in SERVICES:
        for load in LOADS:
            print(row(service, load, n_runs), flush=True)


if __name__ == "__main__":
    main()
