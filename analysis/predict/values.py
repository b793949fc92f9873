"""What a prediction is made from, and what it says."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from loadtests.records.experiment import PERCENTILES
from loadtests.records.percentiles import FloatArray

Passes = Literal["in-handler", "on-loop", "apart"]
"""Who runs the network: the handler of each request, which blocks everything else (FastAPI as
published); the thread of the event loop, in turn with it (tuned, on one core); or a thread or
process of its own (a pool, LitServe, Triton)."""


COLD_AFTER_S = 0.01
"""Idle time after which 63 % of cold_cpu_s is due. From the committed CPU runs: at 50 requests/s,
so after some 20 ms, a request costs twice the CPU of one at 700; most is gone at 200."""


class PredictError(ValueError):
    """One sentence: what was expected, what was found, what to do."""


class Device(Protocol):
    """What runs a batch, as a device curve or a measured engine says it.

    The texts are padded to length_tokens. pass_s: seconds of the whole pass; host_s: CPU seconds
    of one core within it, at its beginning. The device takes one pass at a time, whoever asks.
    """

    def pass_s(self, batch_size: int, length_tokens: int) -> float: ...
    def host_s(self, batch_size: int, length_tokens: int) -> float: ...


@dataclass(frozen=True)
class Front:
    """What a server spends on a request beside the pass, and how it schedules passes.

    Times are CPU seconds a request on the server's cores: front_cpu_s of the server itself,
    hop_cpu_s of a gateway before it (one process, so at most one core); reply_share of both comes
    after the pass. batch_cpu_s is CPU of a pass beside the network: hand-overs between processes.
    cold_cpu_s is CPU more of a request that finds the server idle for longer than COLD_AFTER_S
    (caches that others have filled, a core that slept). overhead_s is time of a request that
    occupies nothing modelled: network, wake-ups.

    max_batch_size, queue_delay_s, preferred_sizes and instances are Triton's; 0 s: what waits is
    the batch as soon as an instance is free. length_buckets: texts are padded to these, and to
    their longest neighbour where empty; a batch of several lengths is run as one pass for each
    (mixed_batches) or ends where the length changes (Triton, where shapes must be equal).

    front_cores: how many cores the front can use at once (1: one Python interpreter; 0: all).
    front_processes: on one core, each of them has its turn before the passes have theirs.
    shared_cores: the device is the server's own n_cores, so that a pass competes with the front.
    max_in_progress: one more request is refused; 0: never.
    """

    name: str
    front_cpu_s: float
    n_cores: int = 1
    max_batch_size: int = 1
    queue_delay_s: float = 0.0
    preferred_sizes: tuple[int, ...] = ()
    instances: int = 1
    hop_cpu_s: float = 0.0
    length_buckets: tuple[int, ...] = ()
    mixed_batches: bool = True
    passes: Passes = "apart"
    front_cores: int = 0
    front_processes: int = 1
    shared_cores: bool = False
    max_in_progress: int = 0
    reply_share: float = 0.3
    batch_cpu_s: float = 0.0
    cold_cpu_s: float = 0.0
    overhead_s: float = 0.0

    def __post_init__(self) -> None:
        problems = _problems(self)
        if problems:
            raise PredictError(f"front {self.name}: {problems[0]}.")

    @property
    def request_cpu_s(self) -> float:
        """CPU seconds a request beside the pass, gateway included."""
        return self.front_cpu_s + self.hop_cpu_s

    @property
    def pass_cores(self) -> float:
        """Cores that the host part of one pass computes on."""
        return self.n_cores / self.instances if self.shared_cores else 1.0

    @property
    def cores_of_front(self) -> int:
        return min(self.front_cores or self.n_cores, self.n_cores)


def _problems(front: Front) -> Sequence[str]:
    """What is wrong with a front, each as the end of a sentence."""
    largest = max(front.preferred_sizes, default=0)
    times_s = (
        *(front.front_cpu_s, front.hop_cpu_s, front.batch_cpu_s, front.cold_cpu_s),
        *(front.queue_delay_s, front.overhead_s),
    )
    found = {
        f"expected times of 0 s or more, found {min(times_s):g}": min(times_s) < 0,
        f"expected at least one core, found n_cores = {front.n_cores}": front.n_cores < 1,
        f"expected at least one instance, found {front.instances}": front.instances < 1,
        f"expected at least one process, found {front.front_processes}": front.front_processes < 1,
        f"expected a batch of 1 or more, found max_batch_size = {front.max_batch_size}": (
            front.max_batch_size < 1
        ),
        f"expected preferred sizes of 1 to {front.max_batch_size}, found {front.preferred_sizes}": (
            largest > front.max_batch_size or any(size < 1 for size in front.preferred_sizes)
        ),
        f"expected reply_share from 0 to 1, found {front.reply_share:g}": not (
            0 <= front.reply_share <= 1
        ),
    }
    return [text for text, wrong in found.items() if wrong]


@dataclass(frozen=True)
class Traffic:
    """Lengths of the texts with their shares, and how arrivals bunch.

    gap_cv: standard deviation of the gaps between arrivals over their mean. 1: Poisson; more:
    gamma-distributed gaps, which bunch; 0: evenly spaced.
    """

    lengths_tokens: tuple[int, ...]
    shares: tuple[float, ...]
    gap_cv: float = 1.0

    def __post_init__(self) -> None:
        if not self.lengths_tokens or len(self.lengths_tokens) != len(self.shares):
            raise PredictError(
                f"expected as many shares as lengths, found {len(self.shares)} for "
                f"{len(self.lengths_tokens)}: give one share for each length."
            )
        if min(self.shares) < 0 or not 0.999 < sum(self.shares) < 1.001:
            raise PredictError(f"expected shares that add up to 1, found {sum(self.shares):g}.")
        if self.gap_cv < 0:
            raise PredictError(f"expected gap_cv of 0 or more, found {self.gap_cv:g}.")

    @classmethod
    def of_one_length(cls, length_tokens: int, gap_cv: float = 1.0) -> "Traffic":
        return cls((length_tokens,), (1.0,), gap_cv)


@dataclass(frozen=True)
class Predicted:
    """One front at one arrival rate. Latencies run from the arrival to the reply, of the requests
    answered; where saturated they grow with the time simulated and mean nothing.

    mean_batch: requests a batch taken by the scheduler; mean_pass: texts a forward pass, fewer
    where a batch of several lengths is several passes. device_busy: share of time in which a pass
    is under way, its host part included; device_share_of_best: throughput over the highest that
    the device gives at any batch size; coldness: mean share of cold_cpu_s that a request cost.
    """

    rate_rps: float
    throughput_rps: float
    p50_s: float
    p90_s: float
    p95_s: float
    p99_s: float
    p99_9_s: float
    mean_s: float
    mean_batch: float
    mean_pass: float
    device_busy: float
    device_share_of_best: float
    cpu_utilisation: float
    refused_ratio: float
    saturated: bool
    by: str
    coldness: float = 0.0

    def latency_s(self, percentile: float) -> float:
        """One of PERCENTILES; PredictError for another one."""
        named = (self.p50_s, self.p90_s, self.p95_s, self.p99_s, self.p99_9_s)
        found = dict(zip(PERCENTILES, named, strict=True)).get(percentile)
        if found is None:
            stated = ", ".join(f"{each:g}" for each in PERCENTILES)
            raise PredictError(
                f"expected one of the percentiles {stated}, found {percentile:g}: choose one."
            )
        return found


@dataclass(frozen=True)
class Simulated:
    """Every request of one simulation, in order of arrival. done_s: NaN where refused.

    Means over the whole of it: cores_busy in cores, device_busy as a share, in_progress as the
    time-average of requests inside, by the simulation's own clock.
    """

    arrived_s: FloatArray
    done_s: FloatArray
    n_batches: int
    n_passes: int
    n_batched: int
    cores_busy: float
    device_busy: float
    in_progress: float
    coldness: float
