"""Whether requests met an SLO, and when that is certain enough to say."""

import numpy as np
import pytest

from loadtests.records.experiment import Slo
from loadtests.records.slo import certified, judge_slo, miss_is_proven

SLO = Slo(percentile=99, latency_ms=100, max_error_ratio=0.01)


def latencies(n_quick: int, n_slow: int = 0) -> np.ndarray:
    return np.array([0.010] * n_quick + [0.150] * n_slow)


@pytest.mark.parametrize(("n_slow", "met"), [(0, True), (10, True), (11, False)])
def test_the_slo_is_met_as_long_as_the_percentile_lies_within(n_slow: int, met: bool) -> None:
    outcome = judge_slo(SLO, latencies(1000 - n_slow, n_slow), 1000, 1000)
    assert outcome.met is met
    assert outcome.n_over == n_slow


@pytest.mark.parametrize(("n_failed", "met"), [(10, True), (11, False)])
def test_errors_beyond_the_bound_break_the_slo(n_failed: int, met: bool) -> None:
    outcome = judge_slo(SLO, latencies(1000 - n_failed), 1000, 1000 - n_failed)
    assert outcome.met is met
    assert outcome.n_over == n_failed
    assert outcome.error_ratio == n_failed / 1000


@pytest.mark.parametrize(("n_done", "saturated"), [(950, False), (949, True)])
def test_throughput_below_the_arrival_rate_is_saturation_whatever_the_latency(
    n_done: int, saturated: bool
) -> None:
    outcome = judge_slo(SLO, latencies(1000), 1000, n_done)
    assert outcome.saturated is saturated
    assert outcome.met is not saturated


def test_where_nothing_succeeded_the_slo_is_not_met() -> None:
    outcome = judge_slo(SLO, latencies(0), 100, 0)
    assert not outcome.met
    assert outcome.latency_ms is None


@pytest.mark.parametrize(
    ("n_over_by_window", "proven"),
    [
        ([], False),
        ([0, 0], False),
        ([20], False),
        ([51], True),
        ([20, 0, 0], False),
        ([2, 2], True),
    ],
)
def test_one_window_with_some_requests_over_proves_nothing_and_two_do(
    n_over_by_window: list[int], proven: bool
) -> None:
    windows = [judge_slo(SLO, latencies(100 - n, n), 100, 100) for n in n_over_by_window]
    assert miss_is_proven(windows) is proven


def test_a_window_that_missed_at_a_lower_rate_counts_where_another_missed() -> None:
    clean, missed = (judge_slo(SLO, latencies(100 - n, n), 100, 100) for n in (0, 20))
    assert miss_is_proven([missed], n_missed_below=1)
    assert not miss_is_proven([clean], n_missed_below=2)


@pytest.mark.parametrize(
    ("n_requests", "n_over", "percentile", "confidence", "expected"),
    [
        # The counts of MLPerf's early stopping (mlcommons/endpoints, issue 417).
        (459, 0, 99, 0.99, True),
        (458, 0, 99, 0.99, False),
        (299, 0, 99, 0.95, True),
        (298, 0, 99, 0.95, False),
        (2995, 0, 99.9, 0.95, True),
        (2994, 0, 99.9, 0.95, False),
        (1000, 4, 99, 0.95, True),
        (1000, 5, 99, 0.95, False),
        (0, 0, 99, 0.95, False),
    ],
)
def test_a_percentile_is_certified_by_the_exact_binomial_bound(
    n_requests: int, n_over: int, percentile: float, confidence: float, expected: bool
) -> None:
    assert certified(n_requests, n_over, percentile, confidence) is expected


def test_a_server_exactly_at_the_bound_is_certified_at_most_one_time_in_twenty() -> None:
    overruns = np.random.default_rng(1).binomial(2000, 0.01, 4000)
    assert np.mean([certified(2000, int(n), 99) for n in overruns]) <= 0.055
