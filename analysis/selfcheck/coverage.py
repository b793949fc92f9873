"""How often is the truth within the intervals, a verdict false and a certificate wrong? Simulated.

`python -m analysis.selfcheck.coverage --runs 300` simulates servers with one queue on a machine
whose speed drifts and that stalls now and then, and judges them with the study's own functions:
certificates of slices at one rate, verdicts of two contenders over some rounds, and capacities. It
prints how often each is right.
"""

import argparse
from dataclasses import dataclass

import numpy as np

from analysis.compare.intervals import Figures, Metric, intervals, slice_figures
from analysis.compare.verdicts import Verdict, decide
from analysis.selfcheck.edges import print_edges
from analysis.selfcheck.lent import print_held
from analysis.selfcheck.queues import (
    LAWS,
    SERVICE_S,
    SETTLE_S,
    Machine,
    ServiceLaw,
    latencies,
    queue_slices,
)
from loadtests.records.experiment import Slo
from loadtests.records.percentiles import FloatArray
from loadtests.records.slo import certified, judge_slo
from loadtests.records.steady_state import SteadyState

MARGIN = 0.05
SAME = Verdict.NO_MATERIAL_DIFFERENCE
FIGURES = (Metric.P99, Metric.P50, Metric.MEAN, Metric.CPU)


@dataclass(frozen=True)
class Certified:
    """Shares of runs: certified by exactly so many slices (index 0: one), and by then at last
    where a run looks after every slice."""

    at: FloatArray
    by: FloatArray


def certificates(
    law: ServiceLaw,
    utilisation: float,
    n: int,
    most_slices: int,
    n_runs: int,
    margin: float = 1.0,
    settle_s: float | None = None,
) -> Certified:
    """How often runs of slices of n requests certify a server whose P99 is the bound over margin
    (1: exactly at the bound, so that every certificate is wrong)."""
    rng = np.random.default_rng(2)
    truth_s = queue_slices(rng, law, utilisation, 20_000, 100)
    slo = Slo(latency_ms=float(np.quantile(truth_s, 0.99)) * 1000 * margin)
    waited_s = queue_slices(rng, law, utilisation, n, n_runs * most_slices, settle_s)
    outcomes = [judge_slo(slo, each, n, n) for each in waited_s]
    found = np.zeros((n_runs, most_slices), bool)
    for run in range(n_runs):
        own = outcomes[run * most_slices : (run + 1) * most_slices]
        found[run] = [certified(own[: k + 1], slo) for k in range(most_slices)]
    return Certified(found.mean(axis=0), np.maximum.accumulate(found, axis=1).mean(axis=0))


@dataclass(frozen=True)
class Setting:
    """Two contenders among n_residents visited in random order each round, at one common rate."""

    rate_rps: float = 75.0
    steady_s: float = 2.5
    service_s: float = 0.005
    overhead_s: float = 0.002
    n_residents: int = 7
    machine: Machine = Machine()


def slice_of(
    rng: np.random.Generator, setting: Setting, arrived_s: FloatArray, slowness: float, ratio: float
) -> Figures:
    """One slice of a contender whose service and overhead are ratio times those of the setting."""
    taken_s = rng.uniform(0.5, 1.5, len(arrived_s)) * setting.service_s * ratio * slowness
    cpu_s = taken_s.sum()
    if rng.random() < setting.machine.stall_share:
        taken_s[rng.integers(len(taken_s))] += rng.uniform(0.03, 0.15)
    latency_s = latencies(arrived_s, taken_s) + setting.overhead_s * ratio * slowness
    steady = arrived_s >= SETTLE_S
    done_s = (arrived_s + latency_s)[steady]
    whole_s = SETTLE_S + setting.steady_s
    state = steady_state_of(latency_s[steady], done_s[done_s < whole_s], setting.steady_s)
    return slice_figures(state, float(cpu_s) / whole_s)


def steady_state_of(latency_s: FloatArray, done_s: FloatArray, window_s: float) -> SteadyState:
    none = np.zeros(0)
    return SteadyState(
        window_s=window_s,
        n_offered=len(latency_s),
        n_failed=0,
        scheduled_s=np.arange(len(latency_s), dtype=float),
        latency_s=latency_s,
        service_time_s=latency_s,
        padded_tokens=np.zeros(len(latency_s), np.int16),
        send_lag_s=none,
        done_s=done_s,
        done_in_window_latency_s=none,
    )


def rounds(
    rng: np.random.Generator, setting: Setting, n_rounds: int, ratio: float
) -> list[tuple[Figures, Figures]]:
    """The slices of two contenders in each round, with the same arrivals: the second one takes
    ratio times as long."""
    slice_s = SETTLE_S + setting.steady_s
    slowness = setting.machine.slowness(rng, n_rounds * setting.n_residents, slice_s + 1.0)
    found = []
    for k in range(n_rounds):
        n = int(setting.rate_rps * slice_s * 1.5) + 50
        arrived_s = np.cumsum(rng.exponential(1 / setting.rate_rps, n))
        arrived_s = arrived_s[arrived_s < slice_s]
        places = k * setting.n_residents + rng.choice(setting.n_residents, 2, replace=False)
        before, after = (
            slice_of(rng, setting, arrived_s, float(slowness[place]), own)
            for place, own in zip(places, (1.0, ratio), strict=True)
        )
        found.append((before, after))
    return found


@dataclass(frozen=True)
class Verdicts:
    """Shares of comparisons: whose interval holds the ratio, and by verdict. Where it is not 1,
    latencies differ by more than it: a slower server also queues longer."""

    held: float
    shares: dict[Verdict, float]

    @property
    def different(self) -> float:
        return self.shares[Verdict.BETTER] + self.shares[Verdict.WORSE]


def verdicts(setting: Setting, n_rounds: int, n_runs: int, ratio: float) -> dict[Metric, Verdicts]:
    """The verdicts on a contender that takes ratio times as long as the one it is compared with."""
    rng = np.random.default_rng(1)
    held = dict.fromkeys(FIGURES, 0)
    counts = {metric: dict.fromkeys(Verdict, 0) for metric in FIGURES}
    for _ in range(n_runs):
        found = intervals(rounds(rng, setting, n_rounds, ratio))
        for metric in FIGURES:
            interval = found[metric]
            held[metric] += interval.low <= ratio <= interval.high
            verdict = decide(metric, ratio, interval, n_rounds, MARGIN, MARGIN)
            counts[metric][verdict] += 1
    return {
        metric: Verdicts(held[metric] / n_runs, {v: n / n_runs for v, n in counts[metric].items()})
        for metric in FIGURES
    }


def _certificates_table(n_runs: int) -> None:
    print("certified although P99 is exactly the bound (at most 5.0% is right)")
    print("law    load  requests  from    1 slice  4 slices  12 slices  by then, looking each time")
    for name, law in LAWS.items():
        for utilisation in (0.5, 0.8, 0.9, 0.95):
            for steady_s in (2.5, 8.0):
                n = int(steady_s * utilisation / SERVICE_S)
                for settle_s in (None, SETTLE_S):
                    found = certificates(law, utilisation, n, 12, n_runs, settle_s=settle_s)
                    shares = "  ".join(f"{found.at[k]:8.1%}" for k in (0, 3, 11))
                    begun = "steady" if settle_s is None else "empty"
                    print(
                        f"{name}  {utilisation:4.0%}  {n:8}  {begun}  {shares}  {found.by[-1]:.1%}",
                        flush=True,
                    )
    print("certified where P99 is half of the bound, by slices of 750 requests, looking each time")
    for name, law in LAWS.items():
        for utilisation in (0.3, 0.5, 0.6, 0.7, 0.8):
            by = certificates(law, utilisation, 750, 12, n_runs, margin=2.0).by
            print(f"{name}  {utilisation:4.0%}  " + "  ".join(f"{share:4.0%}" for share in by))


def _verdicts_table(n_runs: int) -> None:
    print("verdicts: interval holds 1 (of equals), called different, no material difference")
    print("rounds  rate  drift  ratio  " + "  ".join(f"{metric:>16}" for metric in FIGURES))
    for n_rounds in (4, 6, 8, 15):
        for rate_rps, drift in ((75.0, 0.02), (75.0, 0.05), (120.0, 0.05), (150.0, 0.1)):
            setting = Setting(rate_rps=rate_rps, machine=Machine(drift=drift))
            for ratio in (1.0, 1.25):
                found = verdicts(setting, n_rounds, n_runs, ratio)
                shares = "  ".join(
                    f"{v.held if ratio == 1 else np.nan:4.0%} {v.different:6.1%} "
                    f"{v.shares[SAME]:6.1%}"
                    for v in found.values()
                )
                print(
                    f"{n_rounds:6}  {rate_rps:4g}  {drift:5.0%}  {ratio:5g}  {shares}", flush=True
                )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=300)
    n_runs = parser.parse_args().runs
    print(f"simulated, {n_runs} runs a line")
    _certificates_table(n_runs)
    _verdicts_table(n_runs)
    print_edges(n_runs)
    print_held(10 * n_runs)


if __name__ == "__main__":
    main()
