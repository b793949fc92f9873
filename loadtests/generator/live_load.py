"""The load by hand of one contender: open loop at a rate, or closed loop by Locust's users.

Requests leave by the study's own dispatcher and clients, and latency counts from the scheduled
time, as in a run.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import gevent
import gevent.event
import numpy as np

from loadtests.generator.clients.factory import LeanClient, Outcome, RequestFailedError, connect
from loadtests.generator.dispatcher import Dispatcher
from loadtests.generator.live_window import Figures, LiveWindow
from loadtests.generator.schedule import open_schedule
from loadtests.generator.slice_order import MAX_IN_FLIGHT
from loadtests.records.arrivals import Arrivals
from loadtests.wire.formats import Wire

CHUNK_S = 1.0
"""Of the open loop's schedule: a change of the rate is in force after it."""

BACK_OFF_S = 1.0
"""How long a caller waits that got no connection: else it would try thousands of times."""


@dataclass(frozen=True)
class Asked:
    """rate_rps 0: a closed loop. seed: the same for every contender."""

    rate_rps: float
    arrivals: Arrivals
    seed: int


class LiveLoad:
    """fire: told of every request, as Locust's statistics are. bodies: what is sent, by text."""

    def __init__(self, name: str, wire: Wire, timeout_s: float) -> None:
        self.name = name
        self.fire: Callable[..., None] = lambda **_: None
        self._wire, self._timeout_s = wire, timeout_s
        self._bodies: Sequence[bytes] = ()
        self._where: tuple[str, int] | None = None
        self._client: LeanClient | None = None
        self._window: LiveWindow | None = None
        self._texts = np.random.default_rng(0)
        self._pace: gevent.Greenlet[[Callable[[], Asked]], None] | None = None
        self._dispatcher: Dispatcher | None = None
        self._in_flight = 0

    def aim(self, where: tuple[str, int] | None) -> None:
        """At a contender that may have started again elsewhere; None: it is down."""
        if where == self._where:
            return
        self._disconnect()
        self._where = where
        if where and self._window:
            self._client = connect(self._wire, *where, self._timeout_s)

    def start(self, texts: Sequence[str], asked: Callable[[], Asked]) -> None:
        self.stop()
        self._bodies = [self._wire.encode(text) for text in texts]
        self._texts = np.random.default_rng(asked().seed)
        self._window = LiveWindow(time.monotonic())
        self._in_flight = 0
        if self._where:
            self._client = connect(self._wire, *self._where, self._timeout_s)
        self._pace = gevent.spawn(self._paced, asked)

    def stop(self) -> None:
        if self._pace:
            self._pace.kill(block=False)
        self._pace = self._window = None
        self._disconnect()

    @property
    def running(self) -> bool:
        return self._window is not None

    def figures(self) -> Figures | None:
        """None: no load is offered."""
        return self._window.figures(time.monotonic()) if self._window else None

    def call(self) -> None:
        """One request of a closed loop; returns with its reply."""
        done = gevent.event.Event()
        lost: list[bool] = []

        def then(was_lost: bool) -> None:
            lost.append(was_lost)
            done.set()

        self._send(time.monotonic(), then)
        done.wait(self._timeout_s + BACK_OFF_S)
        if not lost or lost[0]:
            gevent.sleep(BACK_OFF_S)

    def _paced(self, asked: Callable[[], Asked]) -> None:
        start_s, chunk = time.monotonic(), 0
        while True:
            now = asked()
            if now.rate_rps > 0:
                schedule = open_schedule(now.arrivals, now.rate_rps, CHUNK_S, 1, (now.seed, chunk))
                self._dispatch(schedule.times_s.tolist(), start_s)
            start_s, chunk = start_s + CHUNK_S, chunk + 1
            gevent.sleep(max(0.0, start_s - time.monotonic()))

    def _dispatch(self, times_s: Sequence[float], start_s: float) -> None:
        window = self._window

        def send(index: int) -> None:
            if self._window is window:  # not one that was stopped meanwhile
                self._send(start_s + times_s[index], lambda lost: None)

        self._dispatcher = Dispatcher(times_s, (0, 1), spin=False, send=send)
        self._dispatcher.start(start_s)

    def _send(self, scheduled_s: float, then: Callable[[bool], None]) -> None:
        window, client = self._window, self._client
        if window is None:
            then(True)
            return
        window.offered(scheduled_s)

        def on_done(outcome: Outcome) -> None:
            self._in_flight -= 1
            done_s = time.monotonic()
            error = outcome if isinstance(outcome, RequestFailedError) else None
            window.done(scheduled_s, done_s, error is None)
            self._tell(
                done_s - scheduled_s, len(outcome) if isinstance(outcome, bytes) else 0, error
            )
            then(bool(error and error.status == "connection"))

        self._in_flight += 1
        if client is None:
            on_done(RequestFailedError("connection"))
        elif self._in_flight > MAX_IN_FLIGHT:
            on_done(RequestFailedError("not_sent"))
        else:
            client.start(self._bodies[int(self._texts.integers(len(self._bodies)))], on_done)

    def _tell(self, latency_s: float, n_bytes: int, error: RequestFailedError | None) -> None:
        self.fire(
            request_type=self.name,
            name="predict",
            response_time=latency_s * 1000,
            response_length=n_bytes,
            exception=error,
        )

    def _disconnect(self) -> None:
        if self._client:
            self._client.close()
        self._client = None
