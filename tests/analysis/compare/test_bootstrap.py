import numpy as np
import pytest

from analysis.compare.bootstrap import Metric, cut, intervals

WINDOW_S, N_SLICES = 6.0, 12


def trial(seed: int, factor: float = 1.0, cpu_s: float = 0.1):
    """600 requests a second apart in time, latencies around 10 ms, as a steady state has them."""
    rng = np.random.default_rng(seed)
    scheduled_s = np.sort(rng.uniform(0, WINDOW_S, 600))
    latency_s = factor * 0.01 * rng.lognormal(0, 0.4, 600)
    done_s = scheduled_s + latency_s
    return cut(
        scheduled_s,
        latency_s,
        done_s[done_s < WINDOW_S],
        WINDOW_S,
        N_SLICES,
        None if cpu_s is None else np.full(N_SLICES, cpu_s),
    )


def test_slices_hold_every_request_and_answer_once():
    found = trial(1)
    assert found.histogram.sum() == 600
    assert found.n_done.sum() == pytest.approx(600, abs=15)
    assert found.n_slices == N_SLICES
    assert found.slice_s == 0.5


def test_a_contender_compared_with_itself_has_the_ratio_one_and_no_width():
    pairs = [(trial(seed), trial(seed)) for seed in range(3)]
    for found in intervals(pairs, seed=1).values():
        assert (found.low, found.high) == (pytest.approx(1.0), pytest.approx(1.0))


def test_a_contender_twice_as_slow_has_the_ratio_two_whatever_the_draw():
    pairs = [(trial(seed), trial(seed, factor=2.0, cpu_s=0.3)) for seed in range(3)]
    found = intervals(pairs, seed=1)
    for metric in (Metric.P99, Metric.P50, Metric.MEAN):
        assert found[metric].low == pytest.approx(2.0, rel=0.006)  # bins are 0.5 % wide
        assert found[metric].high == pytest.approx(2.0, rel=0.006)
    assert found[Metric.CPU].low == pytest.approx(3.0, rel=0.05)


def test_repeats_that_disagree_widen_the_interval():
    agree = [(trial(seed), trial(seed + 10)) for seed in range(4)]
    factors = (0.6, 0.8, 1.25, 1.6)
    differ = [(trial(seed), trial(seed + 10, factors[seed])) for seed in range(4)]
    narrow, wide = (intervals(pairs, 1)[Metric.P50] for pairs in (agree, differ))
    assert narrow.low < 1 < narrow.high
    assert wide.high / wide.low > 1.5 * narrow.high / narrow.low


def test_the_same_seed_gives_the_same_interval():
    pairs = [(trial(seed), trial(seed + 10)) for seed in range(3)]
    assert intervals(pairs, 7) == intervals(pairs, 7)
    assert intervals(pairs, 7) != intervals(pairs, 8)


def test_one_pair_has_no_interval():
    assert intervals([(trial(1), trial(2))], seed=1) == {}


def test_cpu_that_was_not_measured_everywhere_has_no_interval():
    pairs = [(trial(1), trial(2)), (trial(3), trial(4, cpu_s=None))]
    assert Metric.CPU not in intervals(pairs, seed=1)
    assert Metric.P99 in intervals(pairs, seed=1)


def test_two_blocks_that_disagree_are_widened_by_the_root_of_two():
    scheduled_s = np.arange(0, WINDOW_S, 0.01)

    def constant(latency_s: float):
        waits_s = np.full(len(scheduled_s), latency_s)
        return cut(scheduled_s, waits_s, scheduled_s, WINDOW_S, N_SLICES, None)

    pairs = [(constant(0.01), constant(0.01)), (constant(0.01), constant(0.02))]
    found = intervals(pairs, seed=1)[Metric.MEAN]
    # The draws hold 1, 1.5 and 2: log distances from 1.5, times the root of two.
    assert found.low == pytest.approx(1.5 * (1 / 1.5) ** np.sqrt(2))
    assert found.high == pytest.approx(1.5 * (2 / 1.5) ** np.sqrt(2))
