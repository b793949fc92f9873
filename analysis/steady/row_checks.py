"""Are the rows of a trial whole and possible? Facts for its certificate."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from loadtests.records.percentiles import FloatArray

EARLY_S = 0.001
"""A request may be sent this long before its time: sleeps end a little early."""


@dataclass(frozen=True)
class LittlesLaw:
    """Requests in the system, twice: integrated over arrivals and departures, and as arrival rate
    times mean latency, less what crosses the ends of the window."""

    in_system: float
    rate_times_latency: float

    @property
    def gap(self) -> float:
        """Relative difference of the two; 0 is agreement."""
        larger = max(abs(self.in_system), abs(self.rate_times_latency))
        return abs(self.in_system - self.rate_times_latency) / larger if larger else 0.0


@dataclass(frozen=True)
class Rows:
    """n_missing and n_repeated: positions of the schedule without a row, and rows too many;
    n_impossible: rows done before they were sent, or sent before their time. little None: no
    request of the window was answered."""

    n_rows: int
    n_missing: int
    n_repeated: int
    n_not_sent: int
    n_impossible: int
    little: LittlesLaw | None


def inspect(requests: pd.DataFrame, start_s: float, end_s: float) -> Rows:
    """Facts about all rows of a trial; the window [start_s, end_s) is its steady state."""
    request_index = requests["request_index"].to_numpy()
    scheduled_s, sent_s, done_s = (
        requests[name].to_numpy(float) for name in ("scheduled_s", "sent_s", "done_s")
    )
    times_used = np.bincount(request_index) if len(request_index) else np.empty(0, np.int64)
    with np.errstate(invalid="ignore"):
        impossible = (done_s < sent_s) | (sent_s < scheduled_s - EARLY_S)
    return Rows(
        n_rows=len(request_index),
        n_missing=int((times_used == 0).sum()),
        n_repeated=int(np.maximum(times_used - 1, 0).sum()),
        n_not_sent=int(np.isnan(sent_s).sum()),
        n_impossible=int(impossible.sum()),
        little=_little(request_index, scheduled_s, done_s, start_s, end_s),
    )


def _little(
    request_index: npt.NDArray[np.int64],
    scheduled_s: FloatArray,
    done_s: FloatArray,
    start_s: float,
    end_s: float,
) -> LittlesLaw | None:
    """L against lambda x W. With every row there, once, and its times right, this is an identity;
    lambda counts positions of the schedule, not rows, so that a row lost or doubled breaks it.
    """
    answered = ~np.isnan(done_s)
    index, arrived_s, left_s = request_index[answered], scheduled_s[answered], done_s[answered]
    inside = (arrived_s >= start_s) & (arrived_s < end_s)
    n_rows, window_s = int(inside.sum()), end_s - start_s
    if not n_rows:
        return None
    # Unanswered requests have no latency: they are left out of both sides.
    n_unanswered = int(((scheduled_s >= start_s) & (scheduled_s < end_s) & ~answered).sum())
    n_positions = int(index[inside].max() - index[inside].min()) + 1 - n_unanswered
    mean_s = float((left_s - arrived_s)[inside].mean())
    brought_in_s = np.maximum(left_s - start_s, 0)[arrived_s < start_s].sum()
    carried_out_s = np.maximum(left_s - end_s, 0)[arrived_s < end_s].sum()
    present_s = np.clip(end_s - arrived_s, 0, window_s) - np.clip(end_s - left_s, 0, window_s)
    return LittlesLaw(
        in_system=float(present_s.sum()) / window_s,
        rate_times_latency=(n_positions * mean_s + brought_in_s - carried_out_s) / window_s,
    )
