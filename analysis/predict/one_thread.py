"""Kernel: a server whose one thread handles requests and runs passes in turn."""

from typing import NamedTuple

import numpy as np

from analysis.predict.batch_cost import IntArray, cost_of, passes_of
from analysis.predict.compiled import compiled
from analysis.predict.values import COLD_AFTER_S
from loadtests.records.percentiles import FloatArray


class OneThread(NamedTuple):
    """before_s and after_s: CPU seconds of a request before and after its pass. in_handler: each
    handler runs its own pass at once. max_in_progress: 0: no bound. cold_s: CPU seconds more
    of one who finds the server long idle."""

    before_s: float
    after_s: float
    in_handler: bool
    max_batch: int
    rule: int
    max_in_progress: int
    cold_s: float


@compiled
def run_one_thread(
    setup: OneThread,
    arrived_s: FloatArray,
    lengths: IntArray,
    pass_s: FloatArray,
    host_s: FloatArray,
    done_s: FloatArray,
) -> tuple[int, int, int, float, float, float, float]:
    """Fills done_s; batches, passes, texts in them, seconds of passes, of their host parts, how
    cold those were who found it idle, and the end.

    The turns of an event loop: first the replies of the pass before, then, where a worker is at it,
    the next pass over what waits, then the handlers of what was read in the turn before; then the
    sockets are read. So a request that comes during a pass is read after it, queued after the next
    one and served by the one after that, as in servers/fastapi_service/pass_queue.py.
    """
    n = len(arrived_s)
    order = np.empty(n, dtype=np.int64)
    begun = queued = 0  # order[begun:queued] waits for a pass
    first_new = read = 0  # requests first_new to read - 1 have been read, not handled
    replies = 0  # order[begun - replies : begun] is to be answered
    working = False
    t = 0.0
    batches = passes = 0
    pass_total = host_total = coldness = 0.0
    while read < n or first_new < read or begun < queued or replies > 0:
        if not working and first_new == read and replies == 0:
            idle_s = max(arrived_s[read] - t, 0.0)  # sleeps until something comes
            cold = 1 - np.exp(-idle_s / COLD_AFTER_S)
            coldness += cold
            t += idle_s + cold * setup.cold_s
        for k in range(begun - replies, begun):
            t += setup.after_s
            done_s[order[k]] = t
        replies = 0
        if working:
            size = min(queued - begun, setup.max_batch)
            working = size > 0
            if working:
                seconds = cost_of(order, begun, size, lengths, setup.rule, pass_s)
                host_total += cost_of(order, begun, size, lengths, setup.rule, host_s)
                passes += passes_of(order, begun, size, lengths, setup.rule)
                batches += 1
                pass_total += seconds
                t += seconds
                begun += size
                replies = size
        for request in range(first_new, read):
            inside = queued - begun + replies
            if 0 < setup.max_in_progress <= inside:
                done_s[request] = np.nan
                continue
            t += setup.before_s
            order[queued] = request
            queued += 1
            if setup.in_handler:
                seconds = cost_of(order, begun, 1, lengths, setup.rule, pass_s)
                host_total += cost_of(order, begun, 1, lengths, setup.rule, host_s)
                begun += 1
                batches += 1
                passes += 1
                pass_total += seconds
                t += seconds + setup.after_s
                done_s[request] = t
        working = working or queued > begun
        first_new = read
        while read < n and arrived_s[read] <= t:
            read += 1
    return batches, passes, queued, pass_total, host_total, coldness, t
