"""How long a run still takes, and how much of its budgets of time is left."""

import math
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

PRIOR_S = 20.0
"""Weight of the planned lengths against what this machine has shown, in seconds of plan."""


BEFORE_BUDGET = ("engines", "calibration")
"""The phases that an experiment's own budget does not bound."""


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


class Timetable:
    """Lengths as planned, scaled by how this run has kept to its plan so far.

    budget_s (None: unlimited) is the experiment's own: it bounds what comes after start_budget,
    earlier_s of which an earlier execution of the same run has used, and what is running when it
    ends is finished. until_s, on the clock of `now`, is when nothing may be running any more.
    ahead_s holds, by phase of the run, the planned length of what is still to do.
    """

    def __init__(
        self,
        budget_s: float | None,
        earlier_s: float = 0.0,
        until_s: float = math.inf,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.ahead_s: dict[str, float] = {}
        self._budget_s = math.inf if budget_s is None else budget_s - earlier_s
        self._until_s = until_s
        self._now = now
        self._mark = now()
        self._budget_start: float | None = None
        self._planned_s = self._taken_s = PRIOR_S

    def start_budget(self) -> None:
        """Begins the experiment's own budget, once."""
        if self._budget_start is None:
            self._budget_start = self._now()

    def passed(self, planned_s: float) -> None:
        """Something planned to take planned_s has just ended, begun when the last one did."""
        now = self._now()
        self._planned_s += planned_s
        self._taken_s += now - self._mark
        self._mark = now

    def expected_s(self, planned_s: float) -> float:
        return planned_s * self._taken_s / self._planned_s

    @property
    def ends(self) -> bool:
        """Whether there is a time when nothing may be running any more."""
        return math.isfinite(self._until_s)

    def until_end_s(self) -> float:
        """Until nothing may be running any more."""
        return self._until_s - self._now()

    def planned_left_s(self) -> float:
        """Until nothing may be running any more, in seconds as they are planned."""
        return self.until_end_s() * self._planned_s / self._taken_s

    def budget_left_s(self) -> float:
        """What is left of the tighter one of both budgets."""
        used_s = 0.0 if self._budget_start is None else self._now() - self._budget_start
        return min(self._budget_s - used_s, self.until_end_s())

    def can_begin(self, planned_s: float) -> bool:
        """Whether the budgets leave room to begin something planned to take planned_s."""
        # Load lasts as long as planned on a quick machine too: only slowness is scaled.
        slowest_s = max(planned_s, self.expected_s(planned_s))
        return self.budget_left_s() > 0 and slowest_s <= self.until_end_s()

    def left_s(self) -> float:
        """Until the run ends, as things look now."""
        unbounded_s = sum(self.ahead_s.get(phase, 0.0) for phase in BEFORE_BUDGET)
        bounded_s = sum(self.ahead_s.values()) - unbounded_s
        bounded_s = min(self.expected_s(bounded_s), max(0.0, self.budget_left_s()))
        return min(self.expected_s(unbounded_s) + bounded_s, max(0.0, self.until_end_s()))


@dataclass(frozen=True)
class Limits:
    """What a session may take beyond its plan: start_s for each start, and repeating a trial only
    where what is planned to take kept_free_s stays possible. worth_waiting says whether a disturbed
    machine may be expected to be left alone again."""

    time: Timetable
    start_s: float
    kept_free_s: float = 0.0
    worth_waiting: Callable[[], bool] = lambda: True

    def can_repeat(self, planned_s: float) -> bool:
        return planned_s + self.time.expected_s(self.kept_free_s) <= self.time.until_end_s()
