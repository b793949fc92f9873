"""Sends at scheduled times, on gevent's event loop: the open loop of a replay."""

import time
from collections.abc import Callable, Sequence

import gevent

TIMER_STEP_S = 0.001
"""Resolution of gevent's timers (libev waits in whole milliseconds, rounded up)."""


class Dispatcher:
    """Calls send with the index of each scheduled time once that time has come, never earlier.

    Of the schedule it takes every step-th request from first: so several processes share one
    schedule, and the arrivals at the server are the same however many send them. times_s count
    from start_s on the monotonic clock. spin: whether the core is this process's own.
    """

    def __init__(
        self,
        times_s: Sequence[float],
        share: tuple[int, int],
        spin: bool,
        send: Callable[[int], None],
    ) -> None:
        self._times_s = times_s
        self._next_index, self._step = share
        # Requests left 0.8 ms late on the average with timers alone, and the contender was
        # charged for it: the last millisecond is spent looking at the clock, unless that would
        # take the core from the server.
        self._spin_s = TIMER_STEP_S if spin else 0.0
        self._send = send
        self._start_s = 0.0
        self._loop = gevent.get_hub().loop
        self._timer = self._loop.timer(0)
        self._each_turn, self._awake = self._loop.prepare(), self._loop.idle()
        self._spinning = False

    def start(self, start_s: float) -> None:
        """Returns at once; the event loop does the rest."""
        self._start_s = start_s
        self._send_due()

    @property
    def finished(self) -> bool:
        return self._next_index >= len(self._times_s)

    def _send_due(self) -> None:
        now_s = time.monotonic() - self._start_s
        while not self.finished and self._times_s[self._next_index] <= now_s:
            index = self._next_index
            self._next_index += self._step
            self._send(index)
        if self.finished:
            self._stop_spinning()
            return
        timer_s = self._start_s + self._times_s[self._next_index] - time.monotonic() - self._spin_s
        if timer_s > 0:
            self._stop_spinning()
            self._timer.close()
            self._timer = self._loop.timer(timer_s)
            self._timer.start(self._send_due, update=True)
        else:
            self._spin()

    def _spin(self) -> None:
        # Once a turn of the loop, which then looks at the network. Of callbacks that schedule
        # each other it runs a thousand before it does, and replies were read up to 3 ms late.
        if not self._spinning:
            self._spinning = True
            self._each_turn.start(self._send_due)
            self._awake.start(_do_nothing)  # as long as it is there, the loop does not wait

    def _stop_spinning(self) -> None:
        self._spinning = False
        self._each_turn.stop()
        self._awake.stop()


def _do_nothing() -> None: ...
