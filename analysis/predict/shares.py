"""Kernel: how front and passes share cores that are too few for both.

One core: turns of one slice, and who is woken waits for the end of the slice under way, as Linux
does it since 6.6 (EEVDF; a process is not preempted before it had its slice). Several cores: half
of them each at least, what one does not want goes to the other.
"""

from typing import Final

import numpy as np

from analysis.predict.compiled import compiled
from loadtests.records.percentiles import FloatArray

FRONT: Final = 0
PASS: Final = 1

WHO: Final = 0
RAN_S: Final = 1
FRONT_SLICE_S: Final = 2
"""Of turn: whose it is (FRONT or PASS), the seconds it has had, and how many the front may have:
one slice for each of its processes."""

SLICE_S: Final = 0.003
"""Linux: base_slice_ns on a machine of few cores."""

_NOW_S: Final = 1e-9


@compiled
def _slice_s(turn: FloatArray) -> float:
    return float(turn[FRONT_SLICE_S]) if turn[WHO] == FRONT else SLICE_S


@compiled
def cores_given(
    tasks: int, passes: int, pass_cores: float, n_cores: float, turn: FloatArray
) -> tuple[float, float]:
    """Cores for the front's tasks, one each at most, and for passes, pass_cores each at most.
    Passes the turn on where its slice is over, or its owner has nothing to do."""
    wanted = min(float(tasks), n_cores)
    wanted_by_passes = min(passes * pass_cores, n_cores)
    alone = tasks == 0 or passes == 0
    owner = PASS if tasks == 0 else FRONT
    if (alone and turn[WHO] != owner) or (not alone and turn[RAN_S] >= _slice_s(turn) - _NOW_S):
        turn[WHO] = 1 - turn[WHO]
        turn[RAN_S] = 0.0
    if wanted + wanted_by_passes <= n_cores:
        return wanted, wanted_by_passes
    if n_cores > 1:
        front = min(wanted, max(n_cores / 2, n_cores - wanted_by_passes))
    else:
        front = wanted if turn[WHO] == FRONT else n_cores - wanted_by_passes
    return front, n_cores - front


@compiled
def until_turn_s(tasks: int, passes: int, n_cores: float, turn: FloatArray) -> float:
    """Seconds until the turn passes on; infinite where nobody else waits for it."""
    if n_cores > 1 or tasks == 0 or passes == 0:
        return np.inf
    return float(_slice_s(turn) - turn[RAN_S])
