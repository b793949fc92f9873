"""What a batch costs: a table by padded length and batch size, read inside the kernels."""

from bisect import bisect_left
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt

from analysis.predict.compiled import compiled
from analysis.predict.values import Device, Front, Traffic
from loadtests.records.percentiles import FloatArray

IntArray = npt.NDArray[np.int64]

TO_LONGEST: Final = 0
BY_LENGTH: Final = 1
ONE_LENGTH: Final = 2
"""How a batch treats lengths: all padded to the longest; one pass for each; or never several."""


@dataclass(frozen=True)
class BatchCosts:
    """Seconds of a pass, and of the host within it, [class, batch size]; classes are the padded
    lengths in ascending order; class_of: that of each length of the traffic."""

    padded_tokens: tuple[int, ...]
    class_of: IntArray
    pass_s: FloatArray
    host_s: FloatArray
    lengths_rule: int

    @cached_property
    def device_s(self) -> FloatArray:
        """The part of a pass in which the host has nothing to do."""
        return self.pass_s - self.host_s


def batch_costs(front: Front, device: Device, traffic: Traffic) -> BatchCosts:
    """The costs of every batch that the front may run of this traffic."""
    padded = [padded_length(length, front.length_buckets) for length in traffic.lengths_tokens]
    classes = tuple(sorted(set(padded)))
    shape = (len(classes), front.max_batch_size + 1)
    pass_s, host_s = np.zeros(shape), np.zeros(shape)
    for row, length in enumerate(classes):
        for size in range(1, front.max_batch_size + 1):
            alone_s = device.pass_s(size, length)
            # On the server's own cores all of a pass is work of the host.
            host = alone_s if front.shared_cores else min(device.host_s(size, length), alone_s)
            pass_s[row, size] = alone_s + front.batch_cpu_s
            host_s[row, size] = host + front.batch_cpu_s
    mixed = BY_LENGTH if front.length_buckets else TO_LONGEST
    return BatchCosts(
        padded_tokens=classes,
        class_of=np.array([classes.index(length) for length in padded], dtype=np.int64),
        pass_s=pass_s,
        host_s=host_s,
        lengths_rule=mixed if front.mixed_batches else ONE_LENGTH,
    )


def padded_length(length_tokens: int, buckets: tuple[int, ...]) -> int:
    """The smallest bucket that holds the text; longer texts are cut to the largest. No buckets: its
    own length."""
    if not buckets:
        return length_tokens
    ascending = sorted(buckets)
    return ascending[min(bisect_left(ascending, length_tokens), len(ascending) - 1)]


@compiled
def cost_of(
    order: IntArray, first: int, size: int, lengths: IntArray, rule: int, table: FloatArray
) -> float:
    """Seconds, by one table, of the batch of the requests order[first : first + size]; lengths: the
    class of each request."""
    longest = lengths[order[first]]
    alike = True
    for k in range(first + 1, first + size):
        this = lengths[order[k]]
        alike = alike and this == longest
        longest = max(longest, this)
    if alike or rule != BY_LENGTH:
        return float(table[longest, size])
    seconds = 0.0
    for length in range(longest + 1):
        count = 0
        for k in range(first, first + size):
            if lengths[order[k]] == length:
                count += 1
        seconds += table[length, count]  # column 0 is 0 s
    return float(seconds)


@compiled
def passes_of(order: IntArray, first: int, size: int, lengths: IntArray, rule: int) -> int:
    """Forward passes of that batch."""
    if rule != BY_LENGTH:
        return 1
    passes = 0
    for k in range(first, first + size):
        new = 1
        for before in range(first, k):
            if lengths[order[before]] == lengths[order[k]]:
                new = 0
                break
        passes += new
    return passes
