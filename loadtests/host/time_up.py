"""Ends what is running when the time of a run is over."""

import math
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class TimeUp(Exception):
    """The time of a run ended while something was running."""


@contextmanager
def cut_off(after_s: float) -> Iterator[None]:
    """Raises TimeUp in this block, in the main thread, when it takes longer than after_s."""
    if math.isinf(after_s):
        yield
        return

    def time_is_up(number: int, frame: FrameType | None) -> None:
        raise TimeUp

    before = signal.signal(signal.SIGALRM, time_is_up)
    signal.setitimer(signal.ITIMER_REAL, max(after_s, 0.001))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
