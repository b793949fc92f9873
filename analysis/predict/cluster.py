"""State of a simulated server whose passes run apart from its front."""

from typing import Final, NamedTuple

import numpy as np

from analysis.predict.batch_cost import IntArray
from analysis.predict.batcher import BatcherState, new_batcher
from analysis.predict.shares import FRONT, SLICE_S
from loadtests.records.percentiles import FloatArray

GATEWAY_IN: Final = 0
FRONT_IN: Final = 1
BATCHER: Final = 2
FRONT_OUT: Final = 3
GATEWAY_OUT: Final = 4
ANSWERED: Final = 5
N_STOPS: Final = 5
"""The stops of a request, in order, and its end."""

IDLE: Final = 0
ON_CORES: Final = 1
ON_DEVICE: Final = 2
WAITS_FOR_DEVICE: Final = 3

DONE: Final = 0
BATCHES: Final = 1
PASSES: Final = 2
INSIDE: Final = 3
RUNNING: Final = 4

CORES: Final = 0
REQUESTS: Final = 1
PASSING: Final = 2
END: Final = 3
IDLE_SINCE: Final = 4
COLDNESS: Final = 5
EXTRA: Final = 6


class Apart(NamedTuple):
    """stop_s: CPU seconds at each stop. A pass takes pass_cores of n_cores while it computes;
    station_cores: how many tasks gateway and front run at once. one_pass: the device takes one
    pass at a time, from the host part to the end. max_inside: 0: no bound. cold_s: CPU
    seconds more of one who finds the server long idle."""

    n_cores: float
    pass_cores: float
    station_cores: IntArray
    stop_s: FloatArray
    one_pass: bool
    max_inside: int
    cold_s: float


class Stations(NamedTuple):
    """Tasks that wait, by stop from head to tail: requests; and those that run: whose, at which
    stop, how much is left. running counts them by station."""

    waiting: IntArray
    head: IntArray
    tail: IntArray
    running: IntArray
    request: IntArray
    stop: IntArray
    left_s: FloatArray


class Instances(NamedTuple):
    """What each instance is at: its batch, CPU seconds left of its host part, seconds of the device
    after that, and when that ends."""

    state: IntArray
    first: IntArray
    size: IntArray
    left_s: FloatArray
    device_s: FloatArray
    end_s: FloatArray


class Totals(NamedTuple):
    """counts: DONE, BATCHES, PASSES, INSIDE, RUNNING; seconds: core seconds used, requests x
    seconds inside, seconds with a pass under way, the end; since when nobody is inside, how cold
    those were who came then, and what the next task takes longer for it. turn: see shares.py."""

    counts: IntArray
    seconds: FloatArray
    turn: FloatArray


class Cluster(NamedTuple):
    """Everything that changes."""

    stations: Stations
    batcher: BatcherState
    instances: Instances
    totals: Totals


def new_cluster(n_requests: int, n_instances: int, n_slots: int, n_processes: int) -> Cluster:
    def zeros(n: int) -> IntArray:
        return np.zeros(n, dtype=np.int64)

    stations = Stations(
        waiting=np.zeros((N_STOPS, n_requests), dtype=np.int64),
        head=zeros(N_STOPS),
        tail=zeros(N_STOPS),
        running=zeros(2),
        request=zeros(n_slots),
        stop=zeros(n_slots),
        left_s=np.zeros(n_slots),
    )
    instances = Instances(
        *(zeros(n_instances), zeros(n_instances), zeros(n_instances)),
        *(np.zeros(n_instances), np.zeros(n_instances), np.full(n_instances, np.inf)),
    )
    totals = Totals(zeros(5), np.zeros(7), np.array([FRONT, 0.0, n_processes * SLICE_S]))
    return Cluster(stations, new_batcher(n_requests), instances, totals)
