import numpy as np
import pytest

from analysis.steady.drift import drift

WINDOW_S = 10.0
SCHEDULED_S = np.arange(0.0, WINDOW_S, 0.01)


def queue(utilisation: float, seed: int, growth: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Poisson arrivals at one server of 5 ms a request, which may slow down over the window."""
    rng = np.random.default_rng(seed)
    arrived_s = np.cumsum(rng.exponential(0.005 / utilisation, 5000))
    arrived_s = arrived_s[arrived_s < WINDOW_S]
    served_s = np.cumsum(0.005 * (1 + growth * arrived_s / WINDOW_S))
    free_s = np.maximum.accumulate(arrived_s - np.append(0, served_s[:-1]))
    return arrived_s, free_s + served_s - arrived_s


def test_the_ratio_is_that_of_the_medians_of_the_two_halves():
    latency_s = np.where(SCHEDULED_S < 5, 0.010, 0.015)
    assert drift(SCHEDULED_S, latency_s, WINDOW_S).ratio == pytest.approx(1.5)


def test_a_queue_that_grows_on_a_server_that_nearly_keeps_up_is_a_drift():
    found = drift(SCHEDULED_S, 0.01 + 0.003 * SCHEDULED_S, WINDOW_S)  # 99.7 % are answered in time
    assert found.p_value < 1e-5
    assert found.found


def test_a_server_that_slows_down_is_a_drift():
    assert drift(*queue(0.5, seed=1, growth=0.8), WINDOW_S).found


def test_latency_that_falls_is_a_drift_too():
    assert drift(SCHEDULED_S, 0.05 - 0.004 * SCHEDULED_S, WINDOW_S).found


def test_the_queues_of_poisson_arrivals_rarely_look_like_a_drift():
    found = [drift(*queue(0.9, seed), WINDOW_S).found for seed in range(100)]
    assert sum(found) <= 5  # 1 to 2 % by simulation


def test_a_small_trend_is_none_however_sure():
    assert not drift(SCHEDULED_S, 0.01 + 0.0003 * SCHEDULED_S, WINDOW_S).found


def test_a_stall_in_one_slice_is_no_drift():
    latency_s = np.where((SCHEDULED_S > 7) & (SCHEDULED_S < 8), 0.5, 0.01)
    assert not drift(SCHEDULED_S, latency_s, WINDOW_S).found


def test_constant_latency_is_no_drift():
    assert not drift(SCHEDULED_S, np.full(1000, 0.01), WINDOW_S).found


def test_few_successes_say_nothing():
    assert drift(SCHEDULED_S[::15], SCHEDULED_S[::15], WINDOW_S) is None
