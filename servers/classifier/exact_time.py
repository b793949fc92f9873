"""Time that passes exactly: waited for without CPU, or used on a CPU without the GIL."""

import ctypes
import hashlib
import sys
import threading
import time

_PR_SET_TIMERSLACK = 29
_MOST_AHEAD_S = 200e-6
"""Of the end of a wait, a sleep ends at most so early: what is left is spun."""
_SMOOTHING = 1 / 16

_SALT = bytes(16)
_TIMED_ROUNDS, _TIMINGS = 2000, 5
_NOT_WORTH_A_ROUND_S = 3e-6


class ExactWait:
    """Sleeps until shortly before a moment, and spins for the rest.

    How late this machine wakes a thread is learned as TCP learns a round trip (RFC 6298): the sleep
    ends early by the mean lateness and four times its mean deviation. It holds no GIL.
    """

    def __init__(self) -> None:
        self._late_s, self._deviation_s = 50e-6, 10e-6
        self._threads = threading.local()

    def until(self, at_s: float) -> None:
        """Returns at at_s on the clock time.monotonic, or at once where that is over."""
        self._without_slack()
        ahead_s = min(self._late_s + 4 * self._deviation_s, _MOST_AHEAD_S)
        wake_s = at_s - ahead_s
        left_s = wake_s - time.monotonic()
        if left_s > 0:
            time.sleep(left_s)
            self._learn(time.monotonic() - wake_s)
        while time.monotonic() < at_s:
            pass

    def _learn(self, late_s: float) -> None:
        # An outlier of a disturbed machine must not make every later wait a spin.
        off_s = min(late_s, _MOST_AHEAD_S) - self._late_s
        self._late_s += _SMOOTHING * off_s
        self._deviation_s += _SMOOTHING * (abs(off_s) - self._deviation_s)

    def _without_slack(self) -> None:
        """The kernel may wake a thread 50 us late, to save wakeups; this one asks for none."""
        if not getattr(self._threads, "asked", False):
            self._threads.asked = True
            if sys.platform == "linux":
                ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, 1, 0, 0, 0)


class CpuBurner:
    """Uses CPU time of the calling thread, as a runtime in C++ does: in C and without the GIL.

    The work is rounds of PBKDF2; what a round takes is timed when this is made.
    """

    def __init__(self) -> None:
        self._rounds_per_s = _TIMED_ROUNDS / min(_timed_s() for _ in range(_TIMINGS))

    def until(self, thread_s: float) -> None:
        """Returns when this thread has used so much CPU time in all (time.thread_time)."""
        while (left_s := thread_s - time.thread_time()) > _NOT_WORTH_A_ROUND_S:
            # A little less than is left, so that a core that became faster ends no later.
            _work(max(1, int(0.9 * left_s * self._rounds_per_s)))


def _timed_s() -> float:
    began_s = time.thread_time()
    _work(_TIMED_ROUNDS)
    return time.thread_time() - began_s


def _work(rounds: int) -> None:
    hashlib.pbkdf2_hmac("sha256", b"host", _SALT, rounds)
