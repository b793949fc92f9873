"""The queue of one simulated device: one pass after the other, also across processes.

The device is a number: until when it is busy. A pass begins when it is asked for, or when the one
before it ends, and nobody needs to be awake for that: a thread that wakes late delays its own
answer and not the device. All who share the device share the number, in one mapped file.
"""

import fcntl
import mmap
import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

FILE_VARIABLE = "STUDY_SIMULATED_DEVICE"
"""Environment variable: the file of the device that all processes of a contender share. Without it
the device belongs to one process."""

N_KEPT = 2**15
"""Passes whose times are kept; the next one takes the place of the oldest."""

_FREE, _BUSY, _PASSES, _KEPT = 0, 1, 2, 3
_BYTES = 8 * (_KEPT + 2 * N_KEPT)


@dataclass(frozen=True)
class DeviceReading:
    """busy_s: with a pass on the device, of all time until at_s on the clock time.monotonic;
    passes: that were reserved."""

    at_s: float
    busy_s: float
    passes: int


@dataclass(frozen=True)
class TimedPass:
    """What a pass was to take, by the curve and by what its host was kept from running, and what it
    took until its caller went on."""

    by_curve_s: float
    taken_s: float


@dataclass(frozen=True)
class Reserved:
    """A pass by its number, and when it begins."""

    number: int
    begin_s: float


class DeviceQueue:
    """file None: shared by the threads of this process alone. Times are those of time.monotonic."""

    def __init__(self, file: Path | None = None) -> None:
        self._lock = threading.Lock()
        self._descriptor: int | None = None
        if file is None:
            self._map = mmap.mmap(-1, _BYTES)
        else:
            self._descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            os.truncate(self._descriptor, _BYTES)
            self._map = mmap.mmap(self._descriptor, _BYTES)
        self._ns = memoryview(self._map).cast("q")

    def reserve(self, from_s: float, pass_s: float) -> Reserved:
        """A pass of that length, that may begin at from_s."""
        from_ns, pass_ns = round(from_s * 1e9), round(pass_s * 1e9)
        with self._alone():
            begin_ns = max(from_ns, self._ns[_FREE])
            self._ns[_FREE] = begin_ns + pass_ns
            self._ns[_BUSY] += pass_ns
            number = self._ns[_PASSES]
            self._ns[_PASSES] = number + 1
            self._ns[_took(number)] = 0
        return Reserved(number, begin_ns / 1e9)

    def delay(self, by_s: float) -> None:
        """The pass that was reserved takes longer."""
        by_ns = round(by_s * 1e9)
        with self._alone():
            self._ns[_FREE] += by_ns
            self._ns[_BUSY] += by_ns

    def finished(self, number: int, by_curve_s: float, taken_s: float) -> None:
        """Of a pass that was reserved. Without a lock, since its caller is late already: nobody
        else writes here."""
        at = _took(number)
        self._ns[at + 1] = round(by_curve_s * 1e9)
        self._ns[at] = round(taken_s * 1e9)

    def reading(self) -> DeviceReading:
        """As it is now; what is reserved for later is not busy yet."""
        now_s = time.monotonic()
        with self._alone():
            free_ns, busy_ns, passes = self._ns[:_KEPT].tolist()
        return DeviceReading(now_s, busy_ns / 1e9 - max(0.0, free_ns / 1e9 - now_s), passes)

    def passes_since(self, earlier: DeviceReading) -> list[TimedPass]:
        """Those of the last N_KEPT that were reserved since then, and have finished."""
        with self._alone():
            passes, ns = self._ns[_PASSES], self._ns.tolist()
        numbers = range(max(earlier.passes, passes - N_KEPT), passes)
        at = (_took(number) for number in numbers)
        return [TimedPass(ns[k + 1] / 1e9, ns[k] / 1e9) for k in at if ns[k]]

    def close(self) -> None:
        self._ns.release()
        self._map.close()
        if self._descriptor is not None:
            os.close(self._descriptor)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with self._lock:
            if self._descriptor is None:
                yield
                return
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.flock(self._descriptor, fcntl.LOCK_UN)


def _took(number: int) -> int:
    """Where the time that a pass took is kept; by the curve it stands after it."""
    return _KEPT + 2 * (number % N_KEPT)


def shared_file(environment: Mapping[str, str]) -> Path | None:
    """The file of this contender's device; None: nobody named one."""
    named = environment.get(FILE_VARIABLE)
    return Path(named) if named else None
