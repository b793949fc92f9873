"""The law in real time: requests in, replies at the times the law says."""

import asyncio
import json
from collections.abc import Callable
from enum import Enum

import numpy as np

from servers.contract import ServerCounters
from servers.simulated_service.law import Law, Queue


class ReplyOutcome(Enum):
    ANSWERED = "answered"
    FAILED = "failed"
    DROPPED = "dropped"


Reply = Callable[[ReplyOutcome], None]


class SimulatedService:
    """One law on one event loop. Replies are timers: the processor stays idle, and a late timer
    delays its own reply only, since the next departure is computed, not observed.

    The law begins anew with the first request after the counters were read, once nothing waits.
    The study reads them before each slice and after it: so every slice meets the law from its
    start, however soon it follows another one, and whatever was asked in between.
    """

    def __init__(self, law: Law, loop: asyncio.AbstractEventLoop) -> None:
        self._law = law
        self._loop = loop
        self._n_ok = self._n_failed = self._n_batches = 0
        self._begin(loop.time())
        self._counted = True

    def _begin(self, now_s: float) -> None:
        self._queue: Queue[Reply] = Queue(self._law)
        self._origin_s = now_s
        self._n_arrived = 0
        self._late_s: list[float] = []
        self._n_reported = 0
        self._counted = False

    def arrive(self, reply: Reply) -> None:
        """Calls reply when the law says so, or at once where the request is to fail."""
        now_s = self._loop.time()
        if self._counted and self._queue.idle(now_s - self._origin_s):
            self._begin(now_s)
        number = self._n_arrived
        self._n_arrived += 1
        if self._law.fails(number) or self._law.drops(number):
            self._n_failed += 1
            reply(ReplyOutcome.FAILED if self._law.fails(number) else ReplyOutcome.DROPPED)
            return
        self._queue.arrive(now_s - self._origin_s, number, reply)
        self._start(now_s - self._origin_s)

    def _start(self, at_s: float) -> None:
        for end_s, replies in self._queue.start(at_s):
            self._loop.call_at(self._origin_s + end_s, self._finish, end_s, replies)

    def _finish(self, end_s: float, replies: list[Reply]) -> None:
        self._n_batches += 1
        self._n_ok += len(replies)
        for reply in replies:
            reply(ReplyOutcome.ANSWERED)
        now_s = self._loop.time() - self._origin_s
        self._late_s += [now_s - end_s] * len(replies)
        self._start(max(now_s, end_s))

    def counters(self) -> ServerCounters:
        """The totals as /stats shows them, which a miscounting law falsifies."""
        self._counted = True
        return ServerCounters(
            requests_ok=self._law.counted(self._n_ok),
            requests_failed=self._n_failed,
            inferences=self._n_ok,
            executions=self._n_batches,
        )

    def lateness(self) -> str | None:
        """One JSON line for the log: how late replies left since the law began; None: no news.

        It is the server's half of the certificate that the machine kept up: the other half is the
        client's send lag.
        """
        if len(self._late_s) == self._n_reported:
            return None
        self._n_reported = len(self._late_s)
        late_ms = float(np.quantile(self._late_s, 0.99)) * 1000
        return json.dumps(
            {"simulated_replies": len(self._late_s), "late_p99_ms": round(late_ms, 3)}
        )
