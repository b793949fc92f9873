"""Kernel: how Triton's dynamic batcher forms batches, after DynamicBatchScheduler::GetDynamicBatch
and RateLimiter::PayloadSlotAvailable of triton-inference-server/core (2.51)."""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from analysis.predict.batch_cost import ONE_LENGTH, IntArray
from analysis.predict.compiled import compiled
from loadtests.records.percentiles import FloatArray

QUEUED: Final = 0
FORMED: Final = 1
STARTED: Final = 2
FIRST_BATCH: Final = 3
END_BATCH: Final = 4
OPEN: Final = 5
N_COUNTS: Final = 6

NOW_S: Final = 1e-9
"""Times nearer than this are the same moment."""


class BatchRule(NamedTuple):
    """largest_preferred: max_batch where no sizes are preferred, as Triton fills it in.
    is_preferred by size, 0 to max_batch."""

    max_batch: int
    delay_s: float
    largest_preferred: int
    is_preferred: npt.NDArray[np.bool_]
    lengths_rule: int
    slots: int


class BatcherState(NamedTuple):
    """order[:QUEUED] are the requests that came, since when; order[:FORMED] have been put into
    batches, order[:STARTED] taken by an instance. sizes[FIRST_BATCH:END_BATCH] are the batches that
    wait for an instance; OPEN: 1 if the last of them may still grow."""

    order: IntArray
    since_s: FloatArray
    sizes: IntArray
    counts: IntArray


def new_batcher(n_requests: int) -> BatcherState:
    return BatcherState(
        np.empty(n_requests, dtype=np.int64),
        np.empty(n_requests),
        np.empty(n_requests, dtype=np.int64),
        np.zeros(N_COUNTS, dtype=np.int64),
    )


@compiled
def enqueue(state: BatcherState, request: int, t: float) -> None:
    queued = state.counts[QUEUED]
    state.order[queued] = request
    state.since_s[queued] = t
    state.counts[QUEUED] = queued + 1


@compiled
def take_batch(state: BatcherState) -> int:
    """Size of the batch that an instance takes, 0 if none is formed; its requests are the first
    that were not started."""
    counts = state.counts
    if counts[FIRST_BATCH] == counts[END_BATCH]:
        return 0
    size = state.sizes[counts[FIRST_BATCH]]
    counts[FIRST_BATCH] += 1
    counts[STARTED] += size
    if counts[FIRST_BATCH] == counts[END_BATCH]:
        counts[OPEN] = 0
    return int(size)


@compiled
def form_batches(rule: BatchRule, state: BatcherState, lengths: IntArray, t: float) -> float:
    """Puts what has come into batches; when to look again, infinite: at the next event."""
    counts = state.counts
    while counts[FORMED] < counts[QUEUED]:
        # The batcher sleeps while twice as many batches wait as there are instances.
        if counts[END_BATCH] - counts[FIRST_BATCH] >= rule.slots:
            return np.inf
        there = state.sizes[counts[END_BATCH] - 1] if counts[OPEN] == 1 else 0
        fit = _fitting(rule, state, lengths, there)
        more_came = counts[FORMED] + fit < counts[QUEUED]
        if fit == 0:  # the open batch is of another length
            counts[OPEN] = 0
            continue
        due_s = state.since_s[counts[FORMED]] + rule.delay_s
        late = rule.delay_s > 0 and due_s <= t + NOW_S
        best = _best_preferred(rule, there, fit)
        if best > 0 and not late:
            _put(state, best, rule.delay_s > 0)
        elif more_came or there + fit >= rule.largest_preferred:
            _put(state, fit, False)
        elif late or rule.delay_s == 0 or (there > 0 and not rule.is_preferred[there]):
            _put(state, fit, True)
        else:
            return float(due_s)
    return np.inf


@compiled
def _fitting(rule: BatchRule, state: BatcherState, lengths: IntArray, there: int) -> int:
    """How many of those that came may join a batch that holds so many."""
    formed, queued = state.counts[FORMED], state.counts[QUEUED]
    fit = min(queued - formed, rule.max_batch - there)
    if rule.lengths_rule != ONE_LENGTH:
        return int(fit)
    alike = lengths[state.order[formed - 1 if there > 0 else formed]]
    for k in range(fit):
        if lengths[state.order[formed + k]] != alike:
            return k
    return int(fit)


@compiled
def _best_preferred(rule: BatchRule, there: int, fit: int) -> int:
    """How many make the batch the largest preferred size in reach; 0: none is."""
    for joining in range(fit, 0, -1):
        if rule.is_preferred[there + joining]:
            return joining
    return 0


@compiled
def _put(state: BatcherState, joining: int, stays_open: bool) -> None:
    """Moves so many into the open batch, or into a new one."""
    counts = state.counts
    if counts[OPEN] == 1:
        state.sizes[counts[END_BATCH] - 1] += joining
    else:
        state.sizes[counts[END_BATCH]] = joining
        counts[END_BATCH] += 1
    counts[FORMED] += joining
    counts[OPEN] = 1 if stays_open else 0
