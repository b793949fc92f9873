"""A call of the load generator's clients: how it is begun, waited for, ended, and given up.

Clients are driven by the events of gevent's loop. A greenlet for each request would take half of
the time that a request costs, and every request behind it would leave late.
"""

import time
from collections import deque
from collections.abc import Callable

import gevent
import gevent.event


class RequestFailedError(Exception):
    """status is what the record says: http_<code>, grpc_<CODE>, timeout, connection or
    client_limit."""

    def __init__(self, status: str) -> None:
        super().__init__(status)
        self.status = status


Outcome = bytes | RequestFailedError
"""The body of the reply, or why there is none."""

OnDone = Callable[[Outcome], None]


class Call:
    """One request; on_done is called once, from the event loop. until_s is on the monotonic clock.

    stream_id is for clients whose connections carry several calls.
    """

    __slots__ = ("body", "carrier", "on_done", "stream_id", "until_s")

    def __init__(self, body: bytes, until_s: float, on_done: OnDone) -> None:
        self.body = body
        self.until_s = until_s
        self.on_done: OnDone | None = on_done
        self.carrier: object = None
        self.stream_id = 0

    @property
    def open(self) -> bool:
        return self.on_done is not None

    def finish(self, outcome: Outcome) -> None:
        if on_done := self.on_done:
            self.on_done = None
            on_done(outcome)


class LeanClient:
    """Kept-alive connections to one server, opened as calls need them; nothing is sent twice."""

    def __init__(self, host: str, port: int, timeout_s: float) -> None:
        self.host, self.port = host, port
        self._timeout_s = timeout_s
        # All calls have the same time, so they run out in the order in which they were made: one
        # timer serves them all.
        self._calls: deque[Call] = deque()
        self._timer = gevent.get_hub().loop.timer(0)
        self._timer_set = False

    def start(self, body: bytes, on_done: OnDone) -> None:
        """Sends body and returns at once; on_done follows, after at most the timeout."""
        call = Call(body, time.monotonic() + self._timeout_s, on_done)
        calls = self._calls
        while calls and calls[0].on_done is None:
            calls.popleft()
        calls.append(call)
        if not self._timer_set:
            self._wake_after(self._timeout_s)
        self.begin(call)

    def send(self, body: bytes) -> bytes:
        """The same for a greenlet that waits: the body of the reply, or RequestFailedError."""
        outcome: gevent.event.AsyncResult[Outcome] = gevent.event.AsyncResult()
        self.start(body, outcome.set)
        found = outcome.get()
        if isinstance(found, bytes):
            return found
        assert found is not None  # get waits until it is set
        raise found

    def close(self) -> None:
        self._timer.stop()
        self._timer.close()

    def begin(self, call: Call) -> None:
        """Sends the call, or opens a connection for it; must not end it before it returns."""
        raise NotImplementedError

    def give_up(self, call: Call) -> None:
        """Frees what the call holds: its time is up."""
        raise NotImplementedError

    def _give_up_late(self) -> None:
        now_s = time.monotonic()
        while self._calls and (not self._calls[0].open or self._calls[0].until_s <= now_s):
            call = self._calls.popleft()
            if call.open:
                self.give_up(call)
                call.finish(RequestFailedError("timeout"))
        self._timer_set = False
        if self._calls:
            self._wake_after(self._calls[0].until_s - now_s)

    def _wake_after(self, delay_s: float) -> None:
        self._timer_set = True
        self._timer.close()
        self._timer = gevent.get_hub().loop.timer(delay_s)
        # From now on, not from when the loop last looked at the clock.
        self._timer.start(self._give_up_late, update=True)
