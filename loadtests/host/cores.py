"""Which cores the server gets and which the load generator: disjoint wherever there are two."""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import psutil


def available_cores() -> tuple[int, ...]:
    """The cores this process may run on."""
    if sys.platform == "linux":
        return tuple(sorted(os.sched_getaffinity(0)))
    return tuple(range(psutil.cpu_count() or 1))


def split_cores(cores: Sequence[int], workers: int) -> dict[str, tuple[int, ...]]:
    """The last cores, one a load worker but at most half of all, drive the load; the rest serve.

    Several workers have a master, which with the sampling of telemetry gets a core of its own: a
    worker that looks at the clock all the time would be made late by them. A single core is shared,
    which the records show: its numbers mix server and load generator.
    """
    if len(cores) < 2:
        return {"server": tuple(cores), "load": tuple(cores)}
    n_load = min(workers + (workers > 1), len(cores) // 2)
    return {"server": tuple(cores[:-n_load]), "load": tuple(cores[-n_load:])}


def disjoint(cores: Mapping[str, Sequence[int]]) -> bool:
    """Whether the load generator has its cores for itself."""
    return set(cores.get("server", ())).isdisjoint(cores["load"])


@contextmanager
def running_on(cores: Sequence[int]) -> Iterator[None]:
    """Keeps this process (which samples telemetry) off the server's cores."""
    if sys.platform != "linux":
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
