"""How long after an overload requests are answered in time again. Pure."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from loadtests.records.experiment import Slo
from loadtests.records.percentiles import FloatArray
from loadtests.records.steady_state import BoolArray, is_recovery, is_success
from loadtests.records.trials import Phases

QUIET_S = 0.5
"""So long every request must have been answered in time before a contender counts as recovered."""


def recovery_s(due_s: FloatArray, in_time: BoolArray, watched_s: float) -> float | None:
    """The earliest moment from which every request due within the next half second, and at least
    one, was answered in time. due_s counts from the end of the overload, over watched_s; None:
    there was no such half second.
    """
    # Such half seconds lie between two requests that were not answered in time, or at an end.
    after_s = np.concatenate([[0.0], np.sort(due_s[~in_time])])
    before_s = np.append(after_s[1:], watched_s)
    good_s = np.append(np.sort(due_s[in_time]), np.inf)
    first_good_s = good_s[np.searchsorted(good_s, after_s)]
    begins_s = np.maximum(after_s, first_good_s - QUIET_S)
    quiet = begins_s + QUIET_S <= before_s
    return float(begins_s[np.argmax(quiet)]) if quiet.any() else None


def recovery_of(requests: pd.DataFrame, phases: Phases, recover_s: float, slo: Slo) -> float | None:
    """That of one trial, from its rows."""
    rows = requests[is_recovery(requests)]
    due_s = rows["scheduled_s"].to_numpy(float)
    latency_s = rows["done_s"].to_numpy(float) - due_s
    in_time = is_success(rows) & (latency_s * 1000 <= slo.latency_ms)
    return recovery_s(due_s - phases.warmup_s - phases.steady_s, in_time, recover_s)


def median_s(found_s: Sequence[float | None]) -> float | None:
    """The median of several recoveries, those that did not come (None) being the longest; of two
    in the middle the longer one."""
    ordered = sorted(np.inf if each is None else each for each in found_s)
    middle = ordered[len(ordered) // 2] if ordered else np.inf
    return None if middle == np.inf else float(middle)
