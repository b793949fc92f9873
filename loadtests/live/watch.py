"""What the contenders consume and count, read every second while no comparison runs."""

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field

from loadtests.host.nvml import Gpu, Value
from loadtests.launch.server import RunningServer
from loadtests.measure.telemetry import ProcessTree
from loadtests.wire.probe import ProbeError, read_counters

EVERY_S = 1.0
ANSWERS_WITHIN_S = 0.8
KEPT = 6
"""Readings: differences are over five seconds, as the load's own figures."""

Counters = Mapping[str, int | None]


@dataclass(frozen=True)
class Reading:
    """Totals at one moment; counters None: they were not given in time."""

    at_s: float
    cpu_s: float | None
    rss_bytes: int | None
    counters: Counters | None


@dataclass(frozen=True)
class ServerSide:
    """Over the readings that are kept. None: not known, or nothing happened."""

    cpu_cores: float | None = None
    rss_bytes: int | None = None
    mean_batch: float | None = None
    queue_ms: float | None = None
    compute_ms: float | None = None


def server_side(first: Reading, last: Reading) -> ServerSide:
    """What happened between two readings of one server."""
    length_s = last.at_s - first.at_s
    cpu = None
    if first.cpu_s is not None and last.cpu_s is not None and length_s > 0:
        cpu = max(0.0, (last.cpu_s - first.cpu_s) / length_s)
    before, after = first.counters or {}, last.counters or {}
    return ServerSide(
        cpu,
        last.rss_bytes,
        _per(before, after, "inferences", "executions"),
        _ms(before, after, ("queue_ns", "tokenise_queue_ns")),
        _ms(before, after, ("network_ns", "tokenise_ns")),
    )


def gpu_in_words(sample: Mapping[str, Value]) -> str:
    """The whole GPU, which all contenders share."""
    busy, used = sample.get("gpu_busy_pct"), sample.get("gpu_memory_bytes")
    parts = [f"{busy:.0f} % busy"] if busy is not None else []
    parts += [f"{used / 2**30:.1f} GiB used"] if used is not None else []
    return f"GPU, by all contenders: {', '.join(parts)}." if parts else ""


def _per(before: Counters, after: Counters, what: str, of: str) -> float | None:
    values = [counters.get(key) for key in (what, of) for counters in (before, after)]
    first, last, first_of, last_of = values
    if first is None or last is None or first_of is None or last_of is None:
        return None
    return (last - first) / (last_of - first_of) if last_of > first_of else None


def _ms(before: Counters, after: Counters, parts: Sequence[str]) -> float | None:
    """The mean of a request, over the parts that the server counts."""
    found = [_per(before, after, part, "requests_ok") for part in parts]
    known = [each for each in found if each is not None]
    return sum(known) / 1e6 if known else None


@dataclass
class _Watched:
    server: RunningServer
    tree: ProcessTree
    readings: deque[Reading] = field(default_factory=lambda: deque(maxlen=KEPT))


class Watch:
    """A thread between enter and exit; servers gives those that are up, by name. Nothing is read
    while paused() says so: a comparison records this itself, and would be disturbed."""

    def __init__(
        self,
        servers: Callable[[], Mapping[str, RunningServer]],
        paused: Callable[[], bool],
        gpu: Gpu | None,
    ) -> None:
        self.gpu = ""
        self._servers, self._paused, self._gpu = servers, paused, gpu
        self._watched: dict[str, _Watched] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._stop.set()
        self._thread.join()

    def found(self) -> dict[str, ServerSide]:
        watched = list(self._watched.items())
        return {
            name: server_side(each.readings[0], each.readings[-1])
            for name, each in watched
            if len(each.readings) > 1
        }

    def _run(self) -> None:
        with ExitStack() as stack:
            pool = stack.enter_context(ThreadPoolExecutor(8, thread_name_prefix="watch"))
            gpu = stack.enter_context(self._gpu.readings()) if self._gpu else None
            while not self._stop.wait(EVERY_S):
                if self._paused():
                    self._watched = {}
                    continue
                servers = self._servers()
                self._watched = {n: self._of(n, server) for n, server in servers.items()}
                list(pool.map(_read, self._watched.values()))
                self.gpu = gpu_in_words(gpu.sample()) if gpu else ""

    def _of(self, name: str, server: RunningServer) -> _Watched:
        known = self._watched.get(name)
        if known and known.server is server:
            return known
        return _Watched(server, ProcessTree(server.pid or 0))


def _read(watched: _Watched) -> None:
    server = watched.server
    usage = watched.tree.usage()
    try:
        counters: Counters | None = read_counters(server.address, ANSWERS_WITHIN_S)
    except (ProbeError, OSError):
        counters = None
    if counters is None and watched.readings:
        counters = watched.readings[-1].counters  # the rates of the rest stay known
    watched.readings.append(
        Reading(
            time.monotonic(),
            usage.cpu_s if usage else None,
            usage.rss_bytes if usage else None,
            counters,
        )
    )
