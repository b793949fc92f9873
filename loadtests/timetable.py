"""How long a run still takes, and how much of its budget of time is left."""

import math
import time
from collections.abc import Callable

PRIOR_S = 20.0
"""Weight of the planned lengths against what this machine has shown, in seconds of plan."""


class Timetable:
    """Lengths as planned, scaled by how this run has kept to its plan so far.

    budget_s (None: unlimited) bounds what comes after start_budget, earlier_s of which an earlier
    execution of the same run has used. ahead_s holds, by phase of the run, the planned length of
    what is still to do.
    """

    def __init__(
        self,
        budget_s: float | None,
        earlier_s: float = 0.0,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.ahead_s: dict[str, float] = {}
        self._budget_s = math.inf if budget_s is None else budget_s - earlier_s
        self._now = now
        self._mark = now()
        self._budget_start: float | None = None
        self._planned_s = self._taken_s = PRIOR_S

    def start_budget(self) -> None:
        self._budget_start = self._now()

    def passed(self, planned_s: float) -> None:
        """Something planned to take planned_s has just ended, begun when the last one did."""
        now = self._now()
        self._planned_s += planned_s
        self._taken_s += now - self._mark
        self._mark = now

    def expected_s(self, planned_s: float) -> float:
        return planned_s * self._taken_s / self._planned_s

    def budget_left_s(self) -> float:
        if self._budget_start is None:
            return self._budget_s
        return self._budget_s - (self._now() - self._budget_start)

    def left_s(self) -> float:
        """Until the run ends, as things look now."""
        unbounded_s = self.ahead_s.get("calibration", 0.0)
        bounded_s = sum(self.ahead_s.values()) - unbounded_s
        bounded_s = min(self.expected_s(bounded_s), max(0.0, self.budget_left_s()))
        return self.expected_s(unbounded_s) + bounded_s
