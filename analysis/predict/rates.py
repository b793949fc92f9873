"""The most that each resource of a front lets through, and so what breaks first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from analysis.predict.arrivals import length_numbers
from analysis.predict.batch_cost import (
    BY_LENGTH,
    ONE_LENGTH,
    BatchCosts,
    IntArray,
    batch_costs,
    padded_length,
)
from analysis.predict.values import Device, Front, Traffic

N_BATCHES = 400
"""Full batches whose mean stands for all where lengths are drawn: within about 1 %."""


class Resource(StrEnum):
    """What can be used up."""

    ONE_THREAD = "one_thread"
    CORES = "server_cores"
    FRONT = "front"
    GATEWAY = "gateway"
    DEVICE = "device"
    INSTANCES = "instances"


@dataclass(frozen=True)
class Prepared:
    """A front before a device under a traffic, with what all of its rates have in common.

    highest_rps: requests per second at which each resource is used up, batches as full as they get;
    best_rps: texts per second that the device gives at its best batch of one length, for this mix,
    whatever stands before it.
    """

    front: Front
    traffic: Traffic
    costs: BatchCosts
    highest_rps: Mapping[Resource, float]
    best_rps: float

    @property
    def highest_rate_rps(self) -> float:
        """Requests per second that the front sustains at most."""
        return min(self.highest_rps.values())

    @property
    def breaks_first(self) -> Resource:
        """The resource that is used up at the lowest rate."""
        return min(self.highest_rps, key=lambda resource: self.highest_rps[resource])


def prepare(front: Front, device: Device, traffic: Traffic) -> Prepared:
    """Reads the device once for every batch that the front may run."""
    costs = batch_costs(front, device, traffic)
    return Prepared(
        front=front,
        traffic=traffic,
        costs=costs,
        highest_rps=_highest_rates_rps(front, costs, traffic),
        best_rps=_best_device_rate_rps(front, device, traffic),
    )


def _highest_rates_rps(front: Front, costs: BatchCosts, traffic: Traffic) -> dict[Resource, float]:
    pass_s, host_s = text_seconds(front, costs, traffic)
    cpu_s = front.request_cpu_s
    if front.passes != "apart":
        return {Resource.ONE_THREAD: _rate(cpu_s + pass_s)}
    return {
        Resource.CORES: _rate(cpu_s + host_s * front.pass_cores) * front.n_cores,
        Resource.FRONT: _rate(front.front_cpu_s) * front.cores_of_front,
        Resource.GATEWAY: _rate(front.hop_cpu_s),
        Resource.DEVICE: float("inf") if front.shared_cores else _rate(pass_s),
        Resource.INSTANCES: _rate(pass_s) * front.instances,
    }


def _best_device_rate_rps(front: Front, device: Device, traffic: Traffic) -> float:
    seconds = 0.0
    sizes = sorted({1, 2, 4, 8, 16, 32, 64, 128, front.max_batch_size})
    for length, share in zip(traffic.lengths_tokens, traffic.shares, strict=True):
        padded = padded_length(length, front.length_buckets)
        seconds += share * min(device.pass_s(size, padded) / size for size in sizes)
    return _rate(seconds)


def text_seconds(front: Front, costs: BatchCosts, traffic: Traffic) -> tuple[float, float]:
    """Seconds a text of a pass, and of its host part, in full batches of this traffic."""
    n_texts = N_BATCHES * front.max_batch_size
    lengths = costs.class_of[length_numbers(traffic, n_texts, seed=0)]
    counts = _batch_counts(lengths, front.max_batch_size, costs.lengths_rule, len(costs.pass_s))
    longest = np.array([np.flatnonzero(row)[-1] for row in counts])
    sizes = counts.sum(axis=1)
    found = []
    for table in (costs.pass_s, costs.host_s):
        if costs.lengths_rule == BY_LENGTH:
            whole = table[np.arange(len(table)), counts].sum()
        else:
            whole = table[longest, sizes].sum()
        found.append(float(whole) / n_texts)
    return found[0], found[1]


def _batch_counts(lengths: IntArray, max_batch: int, rule: int, n_classes: int) -> IntArray:
    """Texts of each class in each full batch of these, taken in order."""
    if rule != ONE_LENGTH:
        batches: Sequence[IntArray] = list(lengths.reshape(-1, max_batch))
    else:
        runs = np.split(lengths, np.flatnonzero(np.diff(lengths)) + 1)
        batches = [run[k : k + max_batch] for run in runs for k in range(0, len(run), max_batch)]
    return np.array([np.bincount(batch, minlength=n_classes) for batch in batches])


def _rate(seconds: float) -> float:
    return 1 / seconds if seconds > 0 else float("inf")
