"""Do short slices flatter? The P99 of the slices of a law against the one that it has in the long
run, when its queue has forgotten that it was empty."""

from collections.abc import Sequence

import numpy as np

from analysis.selfcheck.findings import ShortSlices
from analysis.selfcheck.laws import FloatArray, Law, poisson_latencies_s
from analysis.selfcheck.replay import Replayed, p99_ms
from loadtests.records.experiment import Slo
from loadtests.records.slo import certified, judge_slo

LONG_RUN_REQUESTS = 400_000
SETTLED_AFTER = 20_000
"""Of a long run: all requests, and those after which its queue has settled."""

N_RESAMPLED = 2000


def check_slices(replays: Sequence[Replayed]) -> ShortSlices:
    """One law at one rate; replays: all its slices there, at common rates and at rates of its own.

    The law is replayed over their arrivals: what the machine adds would hide what they flatter. A
    slice that was made again had the same ones and counts once.
    """
    replays = list({r.judged.result.repeat: r for r in replays}.values())
    first = replays[0]
    rate_rps = first.judged.result.rate_rps or 0.0
    truth_s = np.concatenate([r.truth_s for r in replays])
    settled_s = long_run_s(first.law, rate_rps)
    bound_ms = p99_ms(settled_s)
    low, high = settled_shares(settled_s, len(truth_s) // len(replays), len(replays))
    slo = Slo(latency_ms=bound_ms)
    outcomes = [judge_slo(slo, r.truth_s, len(r.truth_s), len(r.truth_s)) for r in replays]
    return ShortSlices(
        contender=first.judged.result.contender,
        law=str(first.law),
        load=rate_rps / first.law.highest_rate_rps,
        rate_rps=rate_rps,
        n_slices=len(replays),
        n_requests=len(truth_s),
        long_run_p99_ms=bound_ms,
        slices_p99_ms=p99_ms(truth_s),
        measured_p99_ms=p99_ms(np.concatenate([r.measured_s for r in replays])),
        over_share=sum(outcome.n_over for outcome in outcomes) / len(truth_s),
        settled_low_share=low,
        settled_high_share=high,
        certified=certified(outcomes, slo),
    )


def long_run_s(law: Law, rate_rps: float) -> FloatArray:
    """Latencies of a settled queue."""
    return poisson_latencies_s(law, rate_rps, LONG_RUN_REQUESTS, seed=2)[SETTLED_AFTER:]


def settled_shares(settled_s: FloatArray, n_requests: int, n_slices: int) -> tuple[float, float]:
    """Between which shares of requests over the long run's P99 19 of 20 runs of n_slices lie, each
    of n_requests of a settled queue."""
    over = settled_s * 1000 > p99_ms(settled_s)
    # Every second window, so that neighbours know little of each other.
    windows = over[: len(over) // n_requests * n_requests].reshape(-1, n_requests)[::2]
    shares = windows.mean(axis=1)
    runs = np.random.default_rng(3).choice(shares, (N_RESAMPLED, n_slices)).mean(axis=1)
    low, high = np.quantile(runs, (0.025, 0.975))
    return float(low), float(high)
