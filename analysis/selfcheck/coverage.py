"""How often is the truth within the intervals, and how often is a certificate wrong? By simulation.

`python -m analysis.selfcheck.coverage --runs 200` compares simulated contenders (one queue served
in order, service times within half of their mean) through the same slices and bootstrap as a real
run, and prints how many of the 95 % intervals hold the ratio known from far more simulated
requests. It then prints how often an SLO is certified that the contender misses by a known factor.
"""

import argparse
from collections.abc import Sequence

import numpy as np

from analysis.compare.bootstrap import Metric, Sliced, cut, intervals
from analysis.steady.sample import SLICE_S
from loadtests.records.percentiles import FloatArray
from loadtests.records.slo import certified

SERVICE_S, WARMUP_S, STEADY_S = 0.005, 1.0, 6.0
N_TRUTH = 400
EXCESSES = (1.0, 1.1, 1.25, 1.5, 2.0)
FIGURES = (Metric.P99, Metric.P50, Metric.MEAN)


def latencies(
    rng: np.random.Generator, arrived_s: FloatArray, service_s: float, factor: float
) -> FloatArray:
    """Seconds from arrival to the end of service, one server, in order (Lindley's recursion)."""
    taken_s = rng.uniform(0.5, 1.5, len(arrived_s)) * service_s * factor
    served_s = np.cumsum(taken_s)
    free_s = np.maximum.accumulate(arrived_s - (served_s - taken_s))
    done: FloatArray = free_s + served_s - arrived_s
    return done


def block(
    rng: np.random.Generator, utilisation: float, between: float
) -> tuple[FloatArray, list[FloatArray]]:
    """Arrivals of one steady state and the latencies of two equal contenders. between: standard
    deviation of the logarithm of what each trial adds to the service time of all its requests."""
    rate_rps = utilisation / SERVICE_S
    n = int(rate_rps * (WARMUP_S + STEADY_S) * 1.3) + 50
    arrived_s = np.cumsum(rng.exponential(1 / rate_rps, n))
    arrived_s = arrived_s[arrived_s < WARMUP_S + STEADY_S]
    steady = arrived_s >= WARMUP_S
    factors = np.exp(rng.normal(0, between, 2))
    found = [latencies(rng, arrived_s, SERVICE_S, float(factor))[steady] for factor in factors]
    return arrived_s[steady] - WARMUP_S, found


def pair(arrived_s: FloatArray, found: Sequence[FloatArray]) -> tuple[Sliced, Sliced]:
    n_slices = int(STEADY_S / SLICE_S)
    first, second = (cut(arrived_s, each, arrived_s, STEADY_S, n_slices, None) for each in found)
    return first, second


def coverage(n_runs: int, n_blocks: int, utilisation: float, between: float) -> dict[Metric, float]:
    """Share of intervals that hold 1, the ratio of two contenders with the same law."""
    rng = np.random.default_rng(1)
    held = dict.fromkeys(FIGURES, 0)
    for run in range(n_runs):
        pairs = [pair(*block(rng, utilisation, between)) for _ in range(n_blocks)]
        found = intervals(pairs, seed=run, n_draws=400)
        for metric in FIGURES:
            held[metric] += found[metric].low <= 1 <= found[metric].high
    return {metric: count / n_runs for metric, count in held.items()}


def false_certificates(n_runs: int, utilisation: float, excess: float) -> float:
    """Share of runs of 3 blocks certified although P99 is excess times the bound.

    The bound takes requests as independent, and waits in a queue are not: long ones come together.
    """
    rng = np.random.default_rng(2)
    many = [block(rng, utilisation, 0.0)[1][0] for _ in range(N_TRUTH)]
    bound_s = float(np.quantile(np.concatenate(many), 0.99)) / excess
    wrong = 0
    for _ in range(n_runs):
        latency_s = np.concatenate([block(rng, utilisation, 0.0)[1][0] for _ in range(3)])
        wrong += certified(len(latency_s), int((latency_s > bound_s).sum()), 99)
    return wrong / n_runs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=200)
    n_runs = parser.parse_args().runs
    print(f"simulated, {n_runs} runs a line, blocks of {STEADY_S:g} s")
    print("blocks  utilisation  between  " + "  ".join(FIGURES))
    for n_blocks in (3, 5):
        for utilisation in (0.5, 0.8):
            for between in (0.0, 0.05):
                held = coverage(n_runs, n_blocks, utilisation, between)
                shares = "  ".join(f"{share:{len(m)}.1%}" for m, share in held.items())
                print(f"{n_blocks:6}  {utilisation:11.0%}  {between:7.0%}  {shares}", flush=True)
    print("certified although P99 is so many times the bound:")
    print("utilisation  " + "  ".join(f"{excess:5.2f}" for excess in EXCESSES))
    for utilisation in (0.3, 0.5, 0.8):
        wrong = [false_certificates(3 * n_runs, utilisation, excess) for excess in EXCESSES]
        print(f"{utilisation:11.0%}  " + "  ".join(f"{share:5.1%}" for share in wrong), flush=True)


if __name__ == "__main__":
    main()
