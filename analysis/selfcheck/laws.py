"""What a simulated service should have shown: its law replayed exactly, and closed forms.

Written apart from servers/simulated_service, which follows the same law request by request in real
time: two programs that agree are evidence, one that is asked twice is not.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

FloatArray = npt.NDArray[np.float64]

N_DRAWS = 100_000


class Law(BaseModel):
    """The options of a `law` contender, as its trials record them; their meaning is in
    servers/simulated_service/law.py."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    distribution: Literal["fixed", "exponential"]
    service_ms: float
    item_ms: float
    max_batch: int
    seed: int
    stall_every_ms: float
    stall_ms: float
    leak_ms: float
    errors_from: int
    errors_to: int
    drop_every: int
    miscount_every: int
    answer: str

    @property
    def highest_rate_rps(self) -> float:
        """Requests per second that the law can serve at most, before any leak."""
        share = 1 - self.stall_ms / self.stall_every_ms if self.stall_ms else 1.0
        per_batch_s = (self.service_ms + self.item_ms * self.max_batch) / 1000
        return share * self.max_batch / per_batch_s if per_batch_s else float("inf")

    def __str__(self) -> str:
        kind = "exponential, mean " if self.distribution == "exponential" else "fixed "
        parts = [f"{kind}{self.service_ms:g} ms"]
        if self.max_batch > 1:
            parts = [
                f"{kind}{self.service_ms:g} ms a batch + {self.item_ms:g} ms a request, "
                f"batches of up to {self.max_batch}"
            ]
        planted = {
            f"rests {self.stall_ms:g} ms in every {self.stall_every_ms:g} ms": self.stall_ms,
            f"+ {self.leak_ms * 1000:g} µs with each request": self.leak_ms,
            f"requests {self.errors_from} to {self.errors_to - 1} fail": self.errors_to,
            f"drops 1 of {self.drop_every}": self.drop_every,
            f"counts 1 of {self.miscount_every} twice": self.miscount_every,
            f"answers {self.answer!r}": self.answer != "null",
        }
        return ", ".join([*parts, *(text for text, present in planted.items() if present)])


def is_simulated(contender: Mapping[str, Any]) -> bool:
    """Whether a contender, as trial.json records it, is a simulated service."""
    return contender.get("server") == "simulated_service"


def read_law(contender: Mapping[str, Any]) -> Law | None:
    """The law of a simulated service as trial.json records it; None: its options are no law, so
    that it cannot have started."""
    try:
        return Law.model_validate(contender["options"])
    except ValueError:
        return None


def latencies_s(law: Law, arrivals_s: Sequence[float] | FloatArray) -> FloatArray:
    """The latency of each request in s, exact, for arrivals in ascending order.

    The law begins with the first arrival. NaN: the request fails or loses its connection.
    """
    arrivals = np.asarray(arrivals_s, dtype=float)
    if not len(arrivals):
        return arrivals
    numbers = np.arange(len(arrivals))
    served = ~((numbers >= law.errors_from) & (numbers < law.errors_to))
    if law.drop_every:
        served &= numbers % law.drop_every != law.drop_every - 1
    at_s = arrivals[served] - arrivals[0]
    found = np.full(len(arrivals), np.nan)
    if law.max_batch == 1:
        # A resting worker is one whose own clock stands still: the queue is one in that clock.
        work_s = _work_s(law, numbers[served])
        found[served] = _clock_s(law, lindley(_worker_s(law, at_s), work_s)) - at_s
    else:
        found[served] = _batched(law, at_s, numbers[served]) - at_s
    return found


def lindley(arrivals_s: FloatArray, work_s: FloatArray) -> FloatArray:
    """Departures in s of one server in order of arrival (Lindley 1952, solved for all at once)."""
    done_s = np.cumsum(work_s)
    departures: FloatArray = done_s + np.maximum.accumulate(arrivals_s - (done_s - work_s))
    return departures


def _work_s(law: Law, numbers: npt.NDArray[np.int64], size: int = 1) -> FloatArray:
    ms = law.service_ms + law.item_ms * size + law.leak_ms * numbers
    if law.distribution == "exponential":
        draws = np.random.default_rng(law.seed).exponential(size=N_DRAWS)
        ms = ms * draws[numbers % N_DRAWS]
    return np.asarray(ms / 1000, dtype=float)


def _batched(law: Law, at_s: FloatArray, numbers: npt.NDArray[np.int64]) -> FloatArray:
    """Departures where the worker takes all that wait when it is free, up to max_batch."""
    alone_s = _work_s(law, numbers).tolist()
    further_s = (_work_s(law, numbers, 2) - _work_s(law, numbers)).tolist()
    times_s = at_s.tolist()
    departures_s: list[float] = []
    free_s = 0.0
    while (first := len(departures_s)) < len(times_s):
        start_s = max(free_s, times_s[first])
        waiting = bisect_right(times_s, start_s, lo=first) - first
        size = min(waiting, law.max_batch)
        free_s = start_s + alone_s[first] + further_s[first] * (size - 1)
        departures_s += [free_s] * size
    return np.array(departures_s)


def _worker_s(law: Law, t_s: FloatArray) -> FloatArray:
    """Seconds that the worker has been at work at clock time t_s."""
    if not law.stall_ms:
        return t_s
    every_s, rest_s = law.stall_every_ms / 1000, law.stall_ms / 1000
    periods = np.floor(t_s / every_s)
    return np.asarray(
        periods * (every_s - rest_s) + np.minimum(t_s - periods * every_s, every_s - rest_s)
    )


def _clock_s(law: Law, worker_s: FloatArray) -> FloatArray:
    """The clock time at which the worker has been at work for worker_s: _worker_s undone."""
    if not law.stall_ms:
        return worker_s
    every_s, rest_s = law.stall_every_ms / 1000, law.stall_ms / 1000
    periods = np.ceil(worker_s / (every_s - rest_s)) - 1
    return np.asarray(worker_s + periods * rest_s)


def poisson_latencies_s(law: Law, rate_rps: float, n_requests: int, seed: int) -> FloatArray:
    """Latencies in s of n_requests Poisson arrivals at rate_rps: what a long trial would show."""
    # A stream of its own: drawn like the service times, equal seeds would give each request the gap
    # before it as its work, and no queue.
    gaps = np.random.default_rng((seed, n_requests)).exponential(1 / rate_rps, n_requests)
    return latencies_s(law, np.cumsum(gaps))


def true_capacity_rps(
    law: Law, bound_ms: float, percentile: float, rates_rps: Sequence[float], n_requests: int
) -> float | None:
    """The highest of the ascending rates_rps at which the percentile stays within bound_ms, by
    simulation of n_requests arrivals; None: not even the lowest."""
    best = None
    for rate_rps in rates_rps:
        latency_s = poisson_latencies_s(law, rate_rps, n_requests, seed=1)
        if np.nanpercentile(latency_s, percentile) * 1000 > bound_ms:
            return best
        best = rate_rps
    return best
