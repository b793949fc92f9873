"""Whether requests met an SLO, and when that is certain enough to say."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from loadtests.records.experiment import Slo
from loadtests.records.slo import (
    BLOCKS,
    SloOutcome,
    certified,
    design_effect,
    errors_confirmed,
    judge_slo,
    miss_is_proven,
    pooled_outcome,
)
from loadtests.records.steady_state import steady_state
from loadtests.records.trials import Phases

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


STRICT = Slo(percentile=99, latency_ms=100, max_error_ratio=0.001)


def independent_s(n: int, n_over: int = 0, seed: int = 1) -> np.ndarray:
    """Waits that are independent draws; n_over of them beyond the bound, spread evenly."""
    latency_s = np.random.default_rng(seed).uniform(0.005, 0.015, n)
    latency_s[np.linspace(0, n - 1, n_over).astype(int)] = 0.15
    return latency_s


def independent(n: int, n_over: int = 0, seed: int = 1) -> SloOutcome:
    return judge_slo(STRICT, independent_s(n, n_over, seed), n, n)


def queue(utilisation: float, n: int, seed: int = 1) -> SloOutcome:
    """A slice of a queue of 3 ms a request (M/D/1, Lindley's recursion)."""
    rng = np.random.default_rng(seed)
    arrived_s = np.cumsum(rng.exponential(0.003 / utilisation, 20_000 + n))
    served_s = 0.003 * np.arange(1, len(arrived_s) + 1)
    latency_s = np.maximum.accumulate(arrived_s - served_s + 0.003) + served_s - arrived_s
    return judge_slo(STRICT, latency_s[-n:], n, n)


def test_equal_waits_need_581_requests_without_an_overrun() -> None:
    # ln(0.003) / -1 %: two more than an exact binomial bound, as clusters are Poisson.
    equal = [judge_slo(STRICT, np.full(n, 0.01), n, n) for n in (580, 581)]
    assert [certified([each], STRICT) for each in equal] == [False, True]


def test_few_overruns_of_many_requests_are_certified_and_more_are_not() -> None:
    assert certified([independent(2000, n_over, n_over) for n_over in (3, 2)], STRICT)
    assert not certified([independent(2000, n_over, n_over) for n_over in (22, 14)], STRICT)


def test_nothing_is_certified_by_nothing() -> None:
    assert not certified([], STRICT)
    assert not certified([judge_slo(STRICT, latencies(0), 0, 0)], STRICT)


def test_waits_that_depend_on_each_other_count_for_less() -> None:
    effects = [design_effect(queue(load, 20_000).blocks) for load in (0.3, 0.6, 0.9)]
    assert effects == sorted(effects)
    assert effects[0] < 8
    assert effects[2] > 50
    assert design_effect([b for k in range(8) for b in independent(900, seed=k).blocks]) < 2


def test_a_busy_server_needs_more_requests_than_an_idle_one() -> None:
    idle, busy = ([queue(load, 750, seed) for seed in range(4)] for load in (0.3, 0.9))
    assert sum(outcome.n_over for outcome in (*idle, *busy)) == 0
    assert certified(idle, STRICT)
    assert not certified(busy, STRICT)


def test_waits_far_below_the_bound_are_certified_sooner() -> None:
    busy = [queue(0.8, 2000, seed) for seed in range(4)]
    near = [replace(outcome, n_over_half=outcome.n_offered) for outcome in busy]
    assert certified(busy, STRICT)
    assert not certified(near, STRICT)
    assert not certified([queue(0.8, 8000)], STRICT)  # one slice


def test_overruns_among_waits_far_below_the_bound_still_count() -> None:
    clean = [independent(300, seed=k) for k in range(3)]
    assert certified(clean, STRICT)
    assert not certified([*clean[:2], independent(300, n_over=5)], STRICT)


def test_merged_slices_are_certified_as_the_slices_are() -> None:
    state = steady_state(rows_of(300), Phases(0.0, 3.0))
    merged = pooled_outcome([state, state], STRICT)
    assert len(merged.blocks) == 2 * BLOCKS
    assert certified([merged], STRICT)
    assert certified([pooled_outcome([state], STRICT)] * 2, STRICT)


def rows_of(n: int) -> pd.DataFrame:
    due_s = np.arange(n) / 100
    times = {"scheduled_s": due_s, "sent_s": due_s, "done_s": due_s + 0.01}
    return pd.DataFrame({**times, "phase": "steady", "status": "ok"})


def test_more_failures_than_the_slo_allows_are_never_certified() -> None:
    clean, failing = independent(3000), judge_slo(STRICT, latencies(998), 1000, 998)
    assert certified([clean, failing], STRICT)
    assert not certified([clean, failing], STRICT.model_copy(update={"max_error_ratio": 0.0004}))


@pytest.mark.parametrize(
    ("n", "n_failed", "sure"), [(2995, 0, True), (2994, 0, False), (4000, 1, False)]
)
def test_a_bound_on_errors_of_one_in_a_thousand_needs_2995_requests(
    n: int, n_failed: int, sure: bool
) -> None:
    outcome = judge_slo(STRICT, latencies(n - n_failed), n, n - n_failed)
    assert errors_confirmed([outcome], STRICT) is sure


def test_one_slice_that_a_stall_cut_short_does_not_prevent_a_certificate() -> None:
    stalled = judge_slo(STRICT, independent_s(900), 900, 850)
    assert stalled.saturated
    assert certified([independent(900, seed=2), independent(900, seed=3), stalled], STRICT)
    assert not certified([stalled, stalled], STRICT)
