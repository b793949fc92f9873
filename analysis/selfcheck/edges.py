"""How often is the true capacity within its interval, and how often are equal ones called unequal?

Simulated, as analysis.selfcheck.coverage is, which prints it: a search as a run makes it, slices at
the two rates around the edge after it, and slices at common rates far below.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from analysis.capacity.estimate import Estimate, Evidence, Slice, estimate, ratio, scatter
from analysis.compare.intervals import Interval, Metric
from analysis.compare.verdicts import MIN_ROUNDS, Verdict, decide
from analysis.selfcheck.queues import SETTLE_S, Machine, latencies
from loadtests.records.experiment import Slo
from loadtests.records.slo import SloOutcome, judge_slo

SLO = Slo(latency_ms=100)
SERVICE_S, STEADY_S, ROUND_S = 0.004, 8.0, 30.0
COMMON_SHARES = (0.35, 0.6) * 4
LEAST_DIFFERENCE = 0.05


@dataclass
class Search:
    """Where the next slice goes: doubling from the start, bisection, then the two rates next to the
    edge in turn. met: by step of the grid."""

    doubling: int
    met: dict[int, list[bool]] = field(default_factory=dict)

    def steps(self, n: int) -> Iterator[int]:
        step = 0
        for _ in range(n):
            yield step
            step = self._next()

    def _next(self) -> int:
        mostly = {step: 2 * sum(found) >= len(found) for step, found in self.met.items()}
        ceiling = min((step for step, met in mostly.items() if not met), default=None)
        below = [s for s, met in mostly.items() if met and (ceiling is None or s < ceiling)]
        floor = max(below, default=None)
        if ceiling is None:
            return (floor or 0) + self.doubling
        if floor is None:
            return ceiling - self.doubling
        if ceiling - floor > 1:
            return (floor + ceiling) // 2
        return min((floor, ceiling), key=lambda step: len(self.met[step]))


def one_slice(rng: np.random.Generator, rate_rps: float, service_s: float) -> SloOutcome:
    n = int(rate_rps * (SETTLE_S + STEADY_S) * 1.3) + 60
    arrived_s = np.cumsum(rng.exponential(1 / rate_rps, n))
    arrived_s = arrived_s[arrived_s < SETTLE_S + STEADY_S]
    taken_s = rng.uniform(0.5, 1.5, len(arrived_s)) * service_s
    latency_s = latencies(arrived_s, taken_s)[arrived_s >= SETTLE_S]
    return judge_slo(SLO, latency_s, len(latency_s), len(latency_s))


def searched(
    rng: np.random.Generator, service_s: float, resolution: float, n_slices: int, machine: Machine
) -> list[Slice]:
    """A run of n_slices of one contender at rates of its own."""
    slowness = iter(machine.slowness(rng, len(COMMON_SHARES) + n_slices, ROUND_S))
    slices: list[Slice] = []
    for share in COMMON_SHARES:
        rate_rps = share / service_s
        slow = float(next(slowness))
        slices.append(Slice(rate_rps, one_slice(rng, rate_rps, service_s * slow).met, slow))
    search = Search(max(1, round(np.log(2) / np.log(resolution))))
    for step in search.steps(n_slices):
        rate_rps = 50 * resolution**step
        slow = float(next(slowness))
        met = one_slice(rng, rate_rps, service_s * slow).met
        slices.append(Slice(rate_rps, met, slow))
        search.met.setdefault(step, []).append(met)
    return slices


def true_rps(rng: np.random.Generator, service_s: float, n_slices: int = 150) -> float:
    """The capacity on a machine that does not drift, by bisection over many slices."""
    low, high = 0.6 / service_s, 1.2 / service_s
    for _ in range(9):
        rate_rps = float(np.sqrt(low * high))
        outcomes = [one_slice(rng, rate_rps, service_s) for _ in range(n_slices)]
        over = sum(o.n_over for o in outcomes) / sum(o.n_offered for o in outcomes)
        low, high = (low, rate_rps) if over > 0.01 else (rate_rps, high)
    return float(np.sqrt(low * high))


@dataclass(frozen=True)
class Edges:
    """Shares of runs: whose interval holds the true capacity; by verdict on the second contender,
    which is so many times as quick. width: median of high over low."""

    held: float
    width: float
    shares: dict[Verdict, float]


def edges(
    resolution: float, n_slices: int, machine: Machine, n_runs: int, quicker: float = 1.0
) -> Edges:
    rng = np.random.default_rng(4)
    truth_rps = true_rps(rng, SERVICE_S)
    known: list[Estimate] = []
    counts = dict.fromkeys(Verdict, 0)
    for _ in range(n_runs):
        runs = [
            Evidence(searched(rng, SERVICE_S / times, resolution, n_slices, machine))
            for times in (1.0, quicker)
        ]
        before, after = (estimate(evidence, scatter(runs)) for evidence in runs)
        known += [before] if before else []
        low, middle, high = ratio(after, before)
        interval = None if low is None or high is None else Interval(low, high)
        least = LEAST_DIFFERENCE
        counts[decide(Metric.THROUGHPUT, middle, interval, MIN_ROUNDS, least, least)] += 1
    ends = [(each.low_rps, each.high_rps or math.inf) for each in known]
    return Edges(
        held=float(np.mean([low <= truth_rps <= high for low, high in ends])),
        width=float(np.median([high / low for low, high in ends])),
        shares={verdict: count / n_runs for verdict, count in counts.items()},
    )


def print_edges(n_runs: int) -> None:
    print(
        "capacity: interval holds the truth / width / different if equal / better if 1.5, 2 times"
    )
    print("slices  grid  drift")
    for n_slices in (8, 14, 30):
        for resolution in (1.1, 1.25):
            for drift in (0.02, 0.05):
                machine = Machine(drift=drift)
                one, half, two = (
                    edges(resolution, n_slices, machine, n_runs, quicker)
                    for quicker in (1.0, 1.5, 2.0)
                )
                different = one.shares[Verdict.BETTER] + one.shares[Verdict.WORSE]
                print(
                    f"{n_slices:6}  {resolution:4g}  {drift:5.0%}  {one.held:5.0%}  "
                    f"{one.width:5.2f}  {different:5.1%}  {half.shares[Verdict.BETTER]:5.0%}  "
                    f"{two.shares[Verdict.BETTER]:5.0%}",
                    flush=True,
                )
