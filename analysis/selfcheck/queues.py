"""Servers with one queue, and the machine they run on, as the self-check simulates them."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from loadtests.records.percentiles import FloatArray

SERVICE_S = 0.003
SETTLE_S = 0.4


def fixed(rng: np.random.Generator, n: int) -> FloatArray:
    """Every request takes as long: M/D/1."""
    return np.ones(n)


def by_length(rng: np.random.Generator, n: int) -> FloatArray:
    """Texts of three lengths, one in ten of them long: M/G/1 with a mean of 0.9."""
    return rng.choice([0.5, 1.0, 2.5], n, p=[0.5, 0.4, 0.1])


LAWS = {"M/D/1": fixed, "M/G/1": by_length}
ServiceLaw = Callable[[np.random.Generator, int], FloatArray]


def latencies(arrived_s: FloatArray, taken_s: FloatArray) -> FloatArray:
    """Seconds from arrival to the end of service, one server, in order (Lindley's recursion)."""
    served_s = np.cumsum(taken_s, axis=-1)
    free_s = np.maximum.accumulate(arrived_s - (served_s - taken_s), axis=-1)
    done: FloatArray = free_s + served_s - arrived_s
    return done


def queue_slices(
    rng: np.random.Generator,
    law: ServiceLaw,
    utilisation: float,
    n: int,
    n_slices: int,
    settle_s: float | None = None,
) -> FloatArray:
    """Latencies of slices of n requests, float64[n_slices, n]: of a queue in its steady state; or,
    with settle_s, of one that was empty so long before the slice."""
    service_s = SERVICE_S / float(law(rng, 100_000).mean())
    rate_rps = utilisation / SERVICE_S
    if settle_s is None:
        gap = 500 + int(10 / (1 - utilisation) ** 2)
        shape: tuple[int, ...] = ((n + gap) * (n_slices + 2),)
    else:
        gap = int(settle_s * rate_rps)
        shape = (n_slices, n + gap)
    arrived_s = np.cumsum(rng.exponential(1 / rate_rps, shape), axis=-1)
    taken_s = law(rng, int(np.prod(shape))).reshape(shape) * service_s
    waited_s = latencies(arrived_s, taken_s).reshape(-1, n + gap)
    return waited_s[-n_slices:, gap:]


@dataclass(frozen=True)
class Machine:
    """drift: standard deviation of the logarithm of its slowness, which forgets itself within
    memory_s; stall_share: share of the slices in which it stops once, for 30 to 150 ms."""

    drift: float = 0.05
    memory_s: float = 60.0
    stall_share: float = 0.05

    def slowness(self, rng: np.random.Generator, n: int, step_s: float) -> FloatArray:
        kept = np.exp(-step_s / self.memory_s)
        noise = rng.normal(0, self.drift * np.sqrt(1 - kept**2), n)
        noise[0] = rng.normal(0, self.drift)
        found = np.zeros(n)
        for k in range(n):
            found[k] = noise[k] + (kept * found[k - 1] if k else 0)
        return np.exp(found)
