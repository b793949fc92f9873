"""What one contender was offered and answered over the last seconds of a load by hand. Pure."""

from collections import deque
from dataclasses import dataclass

import numpy as np

from loadtests.records.percentiles import in_ms, nearest_rank

WINDOW_S = 5.0
MOST_KEPT = 100_000
"""Requests: beyond it the window is shorter than WINDOW_S, and its rates count that."""


@dataclass(frozen=True)
class Figures:
    """Over the window; latency from the scheduled time, of the answered requests only. None: there
    was none."""

    offered_rps: float
    answered_rps: float
    failed_ratio: float | None
    p50_ms: float | None
    p99_ms: float | None
    n_answered: int
    waiting: int


class LiveWindow:
    """Times are in seconds on one monotonic clock."""

    def __init__(self, started_s: float) -> None:
        self._started_s = started_s
        self._offered: deque[float] = deque(maxlen=MOST_KEPT)
        self._done: deque[tuple[float, float, bool]] = deque(maxlen=MOST_KEPT)
        self._waiting = 0

    def offered(self, scheduled_s: float) -> None:
        self._offered.append(scheduled_s)
        self._waiting += 1

    def done(self, scheduled_s: float, done_s: float, ok: bool) -> None:
        self._done.append((done_s, done_s - scheduled_s, ok))
        self._waiting -= 1

    def figures(self, now_s: float) -> Figures:
        from_s = max(now_s - WINDOW_S, self._started_s)
        while self._offered and self._offered[0] < from_s:
            self._offered.popleft()
        while self._done and self._done[0][0] < from_s:
            self._done.popleft()
        length_s = max(now_s - from_s, 1.0)
        latency_s = np.array([each_s for _, each_s, ok in self._done if ok])
        n_ok = len(latency_s)
        p50, p99 = (in_ms(nearest_rank(latency_s, percentile)) for percentile in (50, 99))
        failed = 1 - n_ok / len(self._done) if self._done else None
        return Figures(
            *(len(self._offered) / length_s, n_ok / length_s, failed, p50, p99),
            *(n_ok, max(self._waiting, 0)),
        )
