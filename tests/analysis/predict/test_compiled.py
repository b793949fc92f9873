"""What is compiled lets other threads run."""

import threading
from time import monotonic

import numpy as np

from analysis.predict.arrivals import arrival_times, length_numbers
from analysis.predict.compiled import at_once
from analysis.predict.path import simulated
from analysis.predict.rates import prepare
from analysis.predict.values import Front, Traffic

from .devices import LinearDevice

DEVICE = LinearDevice(fixed_s=0.001, item_s=0.0005, token_s=1e-5)
TRAFFIC = Traffic((12, 40), (0.6, 0.4))
PREPARED = prepare(Front("any", 0.001, 1, max_batch_size=8), DEVICE, TRAFFIC)


def done_s(n_requests: int) -> np.ndarray:
    arrived_s = arrival_times(TRAFFIC, 200.0, n_requests, 1)
    return simulated(PREPARED, arrived_s, length_numbers(TRAFFIC, n_requests, 1)).done_s


def test_simulations_made_at_once_are_those_made_one_by_one() -> None:
    numbers = (100, 2000, 300)
    for one, other in zip(at_once(done_s, numbers), map(done_s, numbers), strict=True):
        assert np.array_equal(one, other)


def test_other_threads_go_on_while_one_simulates() -> None:
    done_s(10)  # compiled
    simulating = threading.Thread(target=done_s, args=(1_000_000,))
    simulating.start()
    before_s, waits_s = monotonic(), []
    while simulating.is_alive():
        now_s = monotonic()
        waits_s.append(now_s - before_s)
        before_s = now_s
    assert sum(waits_s) > 0.05
    assert max(waits_s) < 0.5 * sum(waits_s)
