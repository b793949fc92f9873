"""The steady state of a trial, from its rows: the one definition of which requests are in it, and
of latency, service time, send lag, throughput and error ratio. Pure.

The capacity search, the repeat of late trials, the self-checks, co-location and the analysis all
take their figures from here.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from loadtests.records.percentiles import FloatArray, in_ms, nearest_rank
from loadtests.records.tables import BUCKETS_TOKENS
from loadtests.records.trials import Phases

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class SteadyState:
    """All times in seconds; scheduled_s and done_s count from the start of the steady state.

    One value a success scheduled in the steady state:
    - scheduled_s: when it was due.
    - latency_s: done minus scheduled, what a user waits. Counted from sending, a client that was
      held up would hide the wait of the requests behind it (coordinated omission).
    - service_time_s: done minus sent, without the client's own delay.
    - padded_tokens: its length bucket; 0: length unknown.

    One value a request scheduled in it and sent, whether or not it succeeded:
    - send_lag_s: sent minus scheduled, the client's own delay inside the latency. A request that
      failed was sent as late as one that did not.

    One value a success done in it, whenever it was scheduled:
    - done_s and done_in_window_latency_s. Counting only requests scheduled in it would charge a
      slow server for the backlog that its warm-up left.
    """

    window_s: float
    n_offered: int
    n_failed: int
    scheduled_s: FloatArray
    latency_s: FloatArray
    service_time_s: FloatArray
    padded_tokens: npt.NDArray[np.int16]
    send_lag_s: FloatArray
    done_s: FloatArray
    done_in_window_latency_s: FloatArray

    @property
    def throughput_rps(self) -> float:
        """Successes done within the window, whenever scheduled, over its length."""
        return len(self.done_s) / self.window_s

    @property
    def error_ratio(self) -> float:
        """Of the requests scheduled in it, those not answered correctly and in time."""
        return error_ratio(self.n_failed, self.n_offered)

    @property
    def send_lag_p99_ms(self) -> float | None:
        """P99 by nearest rank; no least sample, as it checks the client. None: nothing was sent."""
        return in_ms(nearest_rank(self.send_lag_s, 99))


def is_steady(rows: pd.DataFrame) -> BoolArray:
    """Which requests belong to the steady state: by the time for which they were scheduled, because
    a slow server chooses when requests are sent and answered, but not when they are due."""
    return (rows["phase"] == "steady").to_numpy()


def is_recovery(rows: pd.DataFrame) -> BoolArray:
    """Which requests are due after an overload: they belong to no steady state."""
    return (rows["phase"] == "recovery").to_numpy()


def with_recovery(rows: pd.DataFrame, phases: Phases) -> "pd.Series[str]":
    """The phases of rows of an overload trial, whose steady state ends before its load does."""
    after = rows["scheduled_s"] >= phases.warmup_s + phases.steady_s
    return rows["phase"].mask(after, "recovery")


def is_success(rows: pd.DataFrame) -> BoolArray:
    return (rows["status"] == "ok").to_numpy()


def steady_state(rows: pd.DataFrame, phases: Phases) -> SteadyState:
    """The steady state of rows as REQUESTS_SCHEMA has them; n_tokens may be missing."""
    start_s, end_s = phases.warmup_s, phases.warmup_s + phases.steady_s
    scheduled_s = rows["scheduled_s"].to_numpy(float)
    sent_s = rows["sent_s"].to_numpy(float)
    done_s = rows["done_s"].to_numpy(float)
    steady, ok = is_steady(rows), is_success(rows)
    success = steady & ok
    done_in_window = ok & (done_s >= start_s) & (done_s < end_s)
    lag_s = (sent_s - scheduled_s)[steady]
    n_tokens = rows["n_tokens"].to_numpy() if "n_tokens" in rows else np.zeros(len(rows))
    return SteadyState(
        window_s=phases.steady_s,
        n_offered=int(steady.sum()),
        n_failed=int((steady & ~ok).sum()),
        scheduled_s=scheduled_s[success] - start_s,
        latency_s=(done_s - scheduled_s)[success],
        service_time_s=(done_s - sent_s)[success],
        padded_tokens=_padded(n_tokens[success]),
        send_lag_s=lag_s[~np.isnan(lag_s)],
        done_s=done_s[done_in_window] - start_s,
        done_in_window_latency_s=(done_s - scheduled_s)[done_in_window],
    )


def error_ratio(n_failed: int, n_offered: int) -> float:
    """Share of the requests offered that failed; 0 where none was offered."""
    return n_failed / n_offered if n_offered else 0.0


def merged(states: Sequence[SteadyState]) -> SteadyState:
    """Several steady states as one, request by request: percentiles of it are those of all
    requests, which an average of percentiles is not."""
    found: dict[str, Any] = {}
    for field in fields(SteadyState):
        values = [getattr(state, field.name) for state in states]
        is_array = isinstance(values[0], np.ndarray)
        found[field.name] = np.concatenate(values) if is_array else sum(values)
    return SteadyState(**found)


def _padded(n_tokens: npt.NDArray[np.generic]) -> npt.NDArray[np.int16]:
    """The length bucket of each text (as servers.contract.bucket_length); 0: length unknown."""
    known = np.nan_to_num(n_tokens.astype(np.float32))
    buckets = np.array(BUCKETS_TOKENS, dtype=np.int16)
    nearest = np.minimum(np.searchsorted(buckets, known), len(buckets) - 1)
    return np.where(known > 0, buckets[nearest], 0).astype(np.int16)
