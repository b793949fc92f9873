"""An event loop in simulated time: a law is followed exactly, however busy the machine is."""

import asyncio
import heapq
import itertools
from collections.abc import Callable
from typing import Any

import pytest

from servers.discovery import discover
from servers.simulated_service.http import LawHttp
from servers.simulated_service.law import Law
from servers.simulated_service.service import SimulatedService


class Timer:
    """Calls back once, unless it was cancelled."""

    def __init__(self, callback: Callable[..., None]) -> None:
        self._callback = callback

    def __call__(self, *args: Any) -> None:
        self._callback(*args)

    def cancel(self) -> None:
        self._callback = lambda *_: None


class SimulatedLoop:
    """time and call_at of an event loop; run moves the clock."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self._order = itertools.count()
        self._timers: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []

    def time(self) -> float:
        return self.now_s

    def call_at(self, when_s: float, callback: Callable[..., None], *args: Any) -> None:
        heapq.heappush(self._timers, (when_s, next(self._order), callback, args))

    def call_later(self, delay_s: float, callback: Callable[..., None], *args: Any) -> Timer:
        timer = Timer(callback)
        self.call_at(self.now_s + delay_s, timer, *args)
        return timer

    def run(self, until_s: float = float("inf")) -> None:
        while self._timers and self._timers[0][0] <= until_s:
            when_s, _, callback, args = heapq.heappop(self._timers)
            self.now_s = max(self.now_s, when_s)
            callback(*args)
        if until_s < float("inf"):
            self.now_s = until_s


class FakeTransport(asyncio.Transport):
    def __init__(self, loop: SimulatedLoop) -> None:
        super().__init__()
        self._loop = loop
        self.written: list[tuple[float, bytes]] = []
        self.closed = self.paused = False

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self

    def fileno(self) -> int:
        return 7

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self.closed:  # as asyncio's, whose buffer is empty here
            self.written.append((self._loop.now_s, bytes(data)))

    def close(self) -> None:
        self.closed = True

    @property
    def text(self) -> str:
        return b"".join(data for _, data in self.written).decode()


class Simulation:
    """A simulated service on a simulated clock."""

    def __init__(self, law: Law) -> None:
        self.law = law
        self.loop = SimulatedLoop()
        self.service = SimulatedService(law, self.loop)  # type: ignore[arg-type]  # what it uses

    def connect(self) -> tuple[LawHttp, FakeTransport]:
        connection = LawHttp(self.service, self.law.answer, self.loop, b"")  # type: ignore[arg-type]
        transport = FakeTransport(self.loop)
        connection.connection_made(transport)
        return connection, transport


@pytest.fixture
def law() -> Callable[..., Law]:
    """The default law with some options changed."""
    return lambda **changes: Law.from_options({**discover()["simulated"].options, **changes})


@pytest.fixture
def simulate(law: Callable[..., Law]) -> Callable[..., Simulation]:
    return lambda **changes: Simulation(law(**changes))
