"""M/D^b/1: one server that takes up to b of those that wait, and needs longer for more of them.

Poisson arrivals; the server takes all that wait when it becomes free, at most b, and where none
waits, the next one to come. N. T. J. Bailey, "On queueing processes with bulk service", JRSS B 16,
1954; M. F. Neuts, "A general class of bulk queues with Poisson input", Ann. Math. Statist. 38, 1967
(service that depends on the batch); M. L. Chaudhry and J. G. C. Templeton, "A First Course in Bulk
Queues", 1983. What they solve by roots is solved here as a linear system of the chain at the ends
of services.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from analysis.predict.formulas import poisson_pmf
from analysis.predict.values import PredictError
from loadtests.records.percentiles import FloatArray

MOST_WAITING = 4_000
_LEFT_OUT = 1e-9

ServiceTime = Callable[[int], float]
"""Seconds that a batch of that many takes."""


@dataclass(frozen=True)
class BulkQueue:
    """mean_batch: requests a service; utilisation: share of time in service; the mean wait before
    service and the mean latency, wait and service of the request's own batch together."""

    mean_batch: float
    utilisation: float
    mean_wait_s: float
    mean_latency_s: float


def highest_bulk_rate_rps(service_s: ServiceTime, max_batch: int) -> float:
    """Requests per second that M/D^b/1 can serve at most: full batches, one after the other. The
    queue is stable below it. Exact (Bailey 1954)."""
    return max_batch / service_s(max_batch)


def bulk_queue(rate_rps: float, service_s: ServiceTime, max_batch: int) -> BulkQueue:
    """Mean batch, utilisation and mean times of M/D^b/1 at rate_rps. Exact but for queues beyond
    some thousand requests, which are left out: below 1e-6 up to 97 % of the highest rate.

    PredictError from the highest rate on, and where too many would wait to compute.
    """
    highest_rps = highest_bulk_rate_rps(service_s, max_batch)
    if not 0 < rate_rps < highest_rps:
        raise PredictError(
            f"expected a rate above 0 and below {highest_rps:g}/s, at which batches of {max_batch} "
            f"follow one another without a pause, found {rate_rps:g}: choose one between."
        )
    arrivals = [poisson_pmf(rate_rps * service_s(size)) for size in range(1, max_batch + 1)]
    n_states = max(4 * max_batch, 64)
    while True:
        left = _left_waiting(arrivals, n_states)
        if left[-max_batch:].sum() < _LEFT_OUT:
            break
        n_states *= 2
        if n_states > MOST_WAITING:
            raise PredictError(
                f"expected a rate clearly below {highest_rps:g}/s, found {rate_rps:g}: more than "
                f"{MOST_WAITING:,} requests may wait; lower the rate or simulate."
            )
    return _means(left, rate_rps, service_s, max_batch)


def _left_waiting(arrivals: list[FloatArray], n_states: int) -> FloatArray:
    """P(j wait when a service ends), j = 0 to n_states - 1, from the chain's balance equations."""
    max_batch = len(arrivals)
    moves = np.zeros((n_states, n_states))
    for waiting in range(n_states):
        size = min(max(waiting, 1), max_batch)
        stay = max(waiting - size, 0)
        came = arrivals[size - 1][: n_states - stay]
        moves[waiting, stay : stay + len(came)] = came
        moves[waiting, -1] += 1 - came.sum()
    balance = moves.T - np.eye(n_states)
    balance[0] = 1.0  # one equation is redundant; the probabilities add up to 1
    ones = np.zeros(n_states)
    ones[0] = 1.0
    found: FloatArray = np.linalg.solve(balance, ones)
    return np.maximum(found, 0.0)


def _means(left: FloatArray, rate_rps: float, service_s: ServiceTime, max_batch: int) -> BulkQueue:
    times_s = np.array([service_s(size) for size in range(1, max_batch + 1)])
    sizes = np.clip(np.arange(len(left)), 1, max_batch)
    service = times_s[sizes - 1]
    mean_batch = float(left @ sizes)
    working_s = float(left @ service)
    cycle_s = working_s + float(left[0]) / rate_rps
    # Waiting during a service: those left over all of it, those who come half of it on average.
    remaining = np.maximum(np.arange(len(left)) - sizes, 0)
    waiting_s = float(left @ (remaining * service + rate_rps * service**2 / 2))
    mean_wait_s = waiting_s / cycle_s / rate_rps  # Little's law
    own_batch_s = float(left @ (sizes * service)) / mean_batch
    return BulkQueue(mean_batch, working_s / cycle_s, mean_wait_s, mean_wait_s + own_batch_s)
