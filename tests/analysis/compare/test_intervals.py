import numpy as np
import pytest
from scipy import stats
from scipy.special import stdtrit

from analysis.compare.intervals import (
    NOTHING_LENT,
    Metric,
    Spread,
    intervals,
    lent_by,
    slice_figures,
    spread_of,
    t_interval,
)
from analysis.selfcheck.coverage import steady_state_of
from analysis.selfcheck.lent import SCATTERS, held


def figures(seed: int, factor: float = 1.0, cpu_per_s: float | None = 0.2):
    """One slice of 200 requests in 2 s, latencies around 10 ms."""
    latency_s = factor * 0.01 * np.random.default_rng(seed).lognormal(0, 0.4, 200)
    return slice_figures(steady_state_of(latency_s, np.linspace(0, 2, 200), 2.0), cpu_per_s)


def test_a_slice_has_a_figure_of_each_kind():
    found = figures(1)
    assert found[Metric.THROUGHPUT] == 100
    assert found[Metric.CPU] == pytest.approx(0.2 / 100)
    assert found[Metric.P50] < found[Metric.MEAN] < found[Metric.P99]


def test_the_interval_is_that_of_student_on_the_logarithms():
    logs = np.log([1.1, 1.3, 1.2, 1.25])
    low, high = stats.t.interval(0.95, 3, logs.mean(), stats.sem(logs))
    found = t_interval(logs)
    assert (np.log(found.low), np.log(found.high)) == (pytest.approx(low), pytest.approx(high))


def rounds_of_two_servers(rng, spread_of_starts: float, n_starts: int = 6, n: int = 38):
    first, second = ((np.arange(n) + rng.integers(n // n_starts)) * n_starts // n for _ in range(2))
    a, b = (rng.normal(0, spread_of_starts, n_starts + 2) for _ in range(2))
    return a[first] + b[second] + rng.normal(0, 0.06, n), list(zip(first, second, strict=True))


def share_holding_the_truth(spread_of_starts: float, told: bool) -> float:
    rng = np.random.default_rng(2)
    held = 0
    for _ in range(500):
        logs, starts = rounds_of_two_servers(rng, spread_of_starts)
        found = t_interval(logs, starts if told else ())
        held += found.low <= 1 <= found.high
    return held / 500


def test_starts_that_differ_are_in_the_interval():
    assert share_holding_the_truth(0.04, told=False) < 0.8
    assert share_holding_the_truth(0.04, told=True) >= 0.94


def test_starts_that_do_not_differ_leave_the_interval_sure():
    assert share_holding_the_truth(0.0, told=True) >= 0.94


@pytest.mark.parametrize("starts", [[(1, 1)] * 6, [(1, k) for k in range(6)]])
def test_a_server_that_was_started_once_tells_nothing_of_starts(starts):
    logs = np.log([1.1, 1.3, 1.2, 1.25, 1.2, 1.1])
    assert t_interval(logs, starts) == t_interval(logs)


def test_a_contender_twice_as_slow_in_every_round_has_the_ratio_two_and_no_width():
    pairs = [(figures(seed), figures(seed, 2.0, 0.6)) for seed in range(3)]
    found = intervals(pairs)
    for metric in (Metric.P99, Metric.P50, Metric.MEAN):
        assert (found[metric].low, found[metric].high) == (pytest.approx(2), pytest.approx(2))
    assert found[Metric.CPU].low == pytest.approx(3)
    assert found[Metric.THROUGHPUT].low == pytest.approx(1)


def test_rounds_that_disagree_widen_the_interval():
    agree = [(figures(seed), figures(seed + 10)) for seed in range(4)]
    factors = (0.6, 0.8, 1.25, 1.6)
    differ = [(figures(seed), figures(seed + 10, factors[seed])) for seed in range(4)]
    narrow, wide = (intervals(pairs)[Metric.P50] for pairs in (agree, differ))
    assert wide.low < narrow.low < 1 < narrow.high < wide.high


def test_one_round_has_no_interval():
    assert intervals([(figures(1), figures(2))]) == {}


def test_a_figure_that_is_not_known_in_every_round_has_no_interval():
    pairs = [(figures(1), figures(2)), (figures(3), figures(4, cpu_per_s=None))]
    assert Metric.CPU not in intervals(pairs)
    assert Metric.P99 in intervals(pairs)


def test_a_round_in_which_nothing_succeeded_leaves_latency_without_an_interval():
    nothing = slice_figures(steady_state_of(np.zeros(0), np.zeros(0), 2.0), 0.2)
    assert intervals([(figures(1), figures(2)), (figures(3), nothing)]) == {}


def scattered(rng, scatters, n_rounds):
    return [rng.normal(0, scatter, n_rounds) for scatter in scatters]


def test_pairs_that_scatter_alike_lend_each_other_what_they_know():
    logs = scattered(np.random.default_rng(2), [0.05] * 8, 4)
    lent = lent_by([spread_of(each) for each in logs])
    assert lent.freedom == 3
    assert lent.variance == pytest.approx(0.05**2, rel=0.5)
    alone, found = t_interval(logs[0]), t_interval(logs[0], lent=lent)
    assert np.log(found.high / found.low) < np.log(alone.high / alone.low)


def test_a_pair_that_scatters_more_than_the_others_keeps_its_variance():
    logs = np.array([-0.3, 0.3, -0.3, 0.3])
    lent, more = Spread(0.0001, 3), Spread(10.0, 3)
    own = spread_of(logs)
    half = np.log(t_interval(logs, lent=lent).high)
    assert half == pytest.approx(stdtrit(own.freedom + 3, 0.975) * (own.variance / 4) ** 0.5)
    assert np.log(t_interval(logs, lent=more).high) > half


def test_the_less_pairs_are_alike_the_less_they_lend():
    rng = np.random.default_rng(2)
    alike, unlike = (
        lent_by([spread_of(each) for each in scattered(rng, scatters, 12)])
        for scatters in ([0.05] * 9, np.geomspace(0.005, 0.5, 9))
    )
    assert unlike.freedom < 1 < alike.freedom


def test_two_pairs_lend_nothing():
    assert lent_by([Spread(0.1, 3), Spread(0.2, 3)]) == NOTHING_LENT


@pytest.mark.parametrize("name", SCATTERS)
def test_intervals_to_which_others_lend_hold_the_truth(name):
    found = held(SCATTERS[name], n_rounds=5, n_runs=150)
    assert found.all > 0.93
    assert found.worst > 0.85
    assert found.width < 1
