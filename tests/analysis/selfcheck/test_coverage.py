import numpy as np
import pytest

from analysis.compare.intervals import Metric
from analysis.compare.verdicts import Verdict
from analysis.selfcheck.coverage import Setting, certificates, verdicts
from analysis.selfcheck.edges import edges
from analysis.selfcheck.queues import Machine, fixed, latencies, queue_slices


def test_a_queue_is_served_in_order():
    waits_s = latencies(np.zeros(3), np.full(3, 0.01))  # three requests at once
    assert waits_s == pytest.approx([0.01, 0.02, 0.03])


def test_the_simulated_queue_waits_as_long_as_the_law_says():
    waited_s = queue_slices(np.random.default_rng(1), fixed, 0.8, 10_000, 50)
    # M/D/1: 1 + 0.8 / (2 x 0.2) = 3 times the service.
    assert waited_s.mean() == pytest.approx(3 * 0.003, rel=0.05)


@pytest.mark.parametrize("utilisation", [0.5, 0.8, 0.9])
def test_a_server_exactly_at_the_bound_is_certified_in_few_runs_that_look_often(utilisation):
    found = certificates(fixed, utilisation, 700, most_slices=8, n_runs=60)
    assert found.by[-1] <= 0.1  # 5 % and three standard deviations of 60 runs: 13 %


def test_a_server_with_p99_at_half_the_bound_is_certified_soon():
    assert certificates(fixed, 0.5, 750, most_slices=6, n_runs=40, margin=2.0).by[-1] > 0.8


def test_equal_contenders_are_seldom_called_different():
    noisy = Setting(rate_rps=120.0, machine=Machine(drift=0.1, stall_share=0.1))
    for found in verdicts(noisy, n_rounds=6, n_runs=60, ratio=1.0).values():
        assert found.different <= 0.1
        assert found.held >= 0.85


def test_a_quarter_more_is_found_in_eight_rounds_and_twice_as_much_in_p99():
    quarter = verdicts(Setting(), n_rounds=8, n_runs=30, ratio=1.25)
    assert quarter[Metric.P50].different > 0.9
    assert quarter[Metric.CPU].different > 0.9
    assert verdicts(Setting(), n_rounds=8, n_runs=30, ratio=2.0)[Metric.P99].different > 0.9


def test_equal_contenders_are_called_equal_on_a_quiet_machine():
    quiet = Setting(machine=Machine(drift=0.01, stall_share=0.0))
    found = verdicts(quiet, n_rounds=8, n_runs=30, ratio=1.0)
    assert found[Metric.CPU].shares[Verdict.NO_MATERIAL_DIFFERENCE] > 0.9
    assert found[Metric.P50].shares[Verdict.NO_MATERIAL_DIFFERENCE] > 0.5


def test_the_capacity_lies_within_its_interval_and_equal_ones_are_not_called_different():
    found = edges(resolution=1.1, n_slices=12, machine=Machine(drift=0.03), n_runs=25)
    assert found.held >= 0.8
    assert found.shares[Verdict.BETTER] + found.shares[Verdict.WORSE] <= 0.1


def test_twice_the_capacity_is_found():
    found = edges(1.1, n_slices=12, machine=Machine(drift=0.03), n_runs=10, quicker=2.0)
    assert found.shares[Verdict.BETTER] >= 0.9
