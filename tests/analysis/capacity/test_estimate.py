import numpy as np
import pytest

from analysis.capacity.estimate import Estimate, estimate, ratio
from loadtests.records.experiment import Slo
from loadtests.records.slo import judge_slo

SLO = Slo(percentile=99, latency_ms=100)


def tried(rate_rps: float, share_over: float, n: int = 1000):
    latency_s = np.full(n, 0.01)
    latency_s[: round(n * share_over)] = 0.2
    return rate_rps, judge_slo(SLO, latency_s, n, n)


def test_the_edge_lies_between_the_rates_next_to_it():
    found = estimate([tried(100, 0), tried(200, 0.002), tried(220, 0.05), tried(400, 1)], 99, 1)
    assert 200 < found.rps < 220
    assert found.low_rps < found.rps < found.high_rps


def test_the_edge_is_where_the_share_is_that_of_the_slo():
    found = estimate([tried(100, 0), tried(200, 0.01), tried(240, 0.2), tried(400, 1)], 99, 1)
    assert found.rps == pytest.approx(200, rel=0.02)


def test_an_estimate_never_leaves_the_rates_that_were_tried():
    found = estimate([tried(100, 0.001), tried(100, 0.002), tried(150, 1), tried(150, 1)], 99, 1)
    assert 100 <= found.low_rps < found.high_rps <= 150


def test_an_edge_below_every_rate_tried_is_not_estimated():
    assert estimate([tried(rate, 1.0) for rate in (100, 120, 140, 160)], 99, 1) is None


def test_of_an_edge_above_every_rate_tried_a_lower_end_is_known():
    found = estimate([tried(rate, 0.0) for rate in (100, 120, 140, 160)], 99, 1)
    assert (found.rps, found.high_rps) == (None, None)
    assert 120 < found.low_rps < 160


def test_few_slices_estimate_nothing():
    assert estimate([tried(100, 0), tried(200, 1)], 99, 1) is None


def test_more_slices_at_the_edge_narrow_the_interval():
    edge = [tried(200, 0.002), tried(220, 0.05)]
    ends = [tried(100, 0), tried(400, 1)]
    few, many = (estimate([*ends, *edge * n], 99, 1) for n in (1, 6))
    assert many.high_rps / many.low_rps < few.high_rps / few.low_rps


def test_rates_that_contradict_each_other_are_merged():
    slices = [tried(100, 0), tried(150, 0.03), tried(180, 0.001), tried(250, 0.5)]
    assert 100 < estimate(slices, 99, 1).rps < 250


def test_a_ratio_of_two_estimates_is_as_unsure_as_both():
    low, middle, high = ratio(Estimate(200, 180, 220), Estimate(100, 100, 100))
    assert (low, middle, high) == (pytest.approx(1.8), pytest.approx(2), pytest.approx(2.2))
    wider = ratio(Estimate(200, 180, 220), Estimate(100, 90, 110))
    assert wider[0] < low < high < wider[2]
    assert ratio(None, Estimate(100, 90, 110)) == (None, None, None)


def test_a_lower_end_alone_bounds_the_ratio_on_its_side():
    known, at_least = Estimate(100, 80, 120), Estimate(None, 300, None)
    assert ratio(at_least, known) == (pytest.approx(2.5), None, None)
    assert ratio(known, at_least) == (None, None, pytest.approx(0.4))
    assert ratio(at_least, at_least) == (None, None, None)
