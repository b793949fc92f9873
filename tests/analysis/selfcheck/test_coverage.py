import numpy as np

from analysis.compare.bootstrap import Metric
from analysis.selfcheck.coverage import coverage, false_certificates, latencies


def test_a_queue_is_served_in_order():
    rng = np.random.default_rng(1)
    waits_s = latencies(rng, np.zeros(3), 0.01, 1.0)  # three requests at once
    assert (np.diff(waits_s) >= 0.005).all()
    assert waits_s[0] <= 0.015


def test_intervals_of_equal_contenders_hold_one_nearly_always():
    held = coverage(n_runs=15, n_blocks=3, utilisation=0.5, between=0.0)
    assert held[Metric.P50] >= 0.8
    assert held[Metric.P99] >= 0.8


def test_an_objective_missed_by_far_is_never_certified():
    assert false_certificates(n_runs=20, utilisation=0.3, excess=2.0) == 0.0
