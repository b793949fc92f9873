"""Kernel: how front and passes share cores that are too few for both.

As Linux does with processes: whoever has had less goes first, one who slept is let in ahead by at
most one slice, and two that have had as much get half each (I. Molnar's completely fair scheduler,
Documentation/scheduler/sched-design-CFS.rst; EEVDF since 6.6 differs in the order within a slice).
"""

from typing import Final

import numpy as np

from analysis.predict.compiled import compiled
from loadtests.records.percentiles import FloatArray

FRONT: Final = 0
PASS: Final = 1

SLICE_S: Final = 0.003
"""Linux: base_slice_ns, 3 ms on a machine of few cores."""

EVEN_S: Final = 1e-9


@compiled
def cores_given(
    tasks: int, passes: int, pass_cores: float, n_cores: float, used_s: FloatArray
) -> tuple[float, float]:
    """Cores for the front's tasks, one each at most, and for passes, pass_cores each at most;
    used_s: core seconds that either has had."""
    wanted = min(float(tasks), n_cores)
    wanted_by_passes = min(passes * pass_cores, n_cores)
    if wanted + wanted_by_passes <= n_cores:
        return wanted, wanted_by_passes
    ahead_s = used_s[FRONT] - used_s[PASS]
    if ahead_s < -EVEN_S:
        front = wanted
    elif ahead_s > EVEN_S:
        front = n_cores - wanted_by_passes
    else:
        front = min(wanted, max(n_cores / 2, n_cores - wanted_by_passes))
    return front, n_cores - front


@compiled
def until_even_s(tasks: int, passes: int, given: tuple[float, float], used_s: FloatArray) -> float:
    """Seconds until front and passes have had as much; infinite where they do not draw level."""
    if tasks == 0 or passes == 0:
        return np.inf
    ahead_s = used_s[FRONT] - used_s[PASS]
    closing = given[PASS] - given[FRONT]
    if abs(ahead_s) <= EVEN_S or ahead_s * closing <= 0:
        return np.inf
    return float(ahead_s / closing)


@compiled
def catch_up(used_s: FloatArray, kind: int) -> None:
    """Of one that slept: what it did not use meanwhile is forgotten but for a slice."""
    other = used_s[1 - kind]
    used_s[kind] = max(used_s[kind], other - SLICE_S)
