"""Closed forms against published values, against one another and against what they approximate."""

import math

import numpy as np
import pytest

from analysis.predict.bulk import bulk_queue, highest_bulk_rate_rps
from analysis.predict.formulas import (
    gpu_batch_mean_latency_bound_s,
    md1_latency_s,
    md1_mean_wait_s,
    md1_wait_cdf,
    md1_wait_s,
    mg1_latency_s,
    mg1_mean_wait_s,
    mg1_wait_cdf,
    utilisation,
)
from analysis.predict.values import PredictError


def crommelin(rho, services):
    """P(W <= services) in M/D/1 as Erlang and Crommelin have it: a sum of alternating signs."""
    terms = [
        (-rho * (services - k)) ** k / math.factorial(k) * math.exp(rho * (services - k))
        for k in range(int(services) + 1)
    ]
    return (1 - rho) * math.fsum(terms)


@pytest.mark.parametrize("rho", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("services", [0.0, 0.3, 1.0, 2.5, 6.0])
def test_waits_in_md1_are_those_of_crommelin(rho, services):
    assert md1_wait_cdf(rho, 1.0, services) == pytest.approx(crommelin(rho, services), abs=1e-11)


def test_nobody_waits_in_md1_as_often_as_the_server_is_idle():
    assert md1_wait_cdf(30, 0.01, 0) == pytest.approx(0.7)
    assert md1_wait_s(30, 0.01, 70) == 0
    assert md1_wait_s(30, 0.01, 71) > 0


@pytest.mark.parametrize("rho", [0.3, 0.7, 0.95])
def test_the_mean_wait_in_md1_is_that_of_its_distribution(rho):
    mean = md1_mean_wait_s(rho, 1.0)
    assert mean == pytest.approx(rho / (2 * (1 - rho)))
    waits = [md1_wait_s(rho, 1.0, p) for p in np.linspace(0.25, 99.75, 200)]
    assert np.mean(waits) == pytest.approx(mean, rel=0.03)


@pytest.mark.parametrize("rho", [0.2, 0.6, 0.95, 0.995])
@pytest.mark.parametrize("percentile", [50, 90, 99, 99.9])
def test_a_percentile_of_md1_is_where_its_distribution_has_it(rho, percentile):
    wait_s = md1_wait_s(rho / 0.002, 0.002, percentile)
    share = md1_wait_cdf(rho / 0.002, 0.002, wait_s)
    assert share == pytest.approx(max(percentile / 100, 1 - rho), abs=1e-8)


def test_far_tails_of_md1_fall_as_their_exponential_says():
    # The decay a service is the root x of rho (e^x - 1) = x; at 0.95 it is 0.1018.
    p, q = 1 - md1_wait_cdf(0.95, 1.0, 60), 1 - md1_wait_cdf(0.95, 1.0, 80)
    rate = math.log(p / q) / 20
    assert 0.95 * (math.exp(rate) - 1) == pytest.approx(rate, rel=1e-6)


def test_a_percentile_of_latency_in_md1_is_one_service_longer():
    assert md1_latency_s(90, 0.01, 99) == pytest.approx(md1_wait_s(90, 0.01, 99) + 0.01)


def test_the_mean_wait_of_services_with_the_moments_of_mm1_is_that_of_mm1():
    # None or two services at once: E[S] = 1 and E[S^2] = 2, the moments of an exponential one.
    assert mg1_mean_wait_s(0.8, [0.0, 2.0], [0.5, 0.5]) == pytest.approx(0.8 / 0.2)


def test_services_that_differ_make_waits_longer():
    assert mg1_mean_wait_s(80, [0.001, 0.019], [0.5, 0.5]) > md1_mean_wait_s(80, 0.01)


@pytest.mark.parametrize(("rho", "too_long"), [(0.5, 0.18), (0.7, 0.1), (0.9, 0.03), (0.95, 0.02)])
def test_the_tail_of_mg1_errs_to_the_long_side_by_as_much_as_it_says(rho, too_long):
    exact = md1_wait_s(rho, 1.0, 99)
    approximate = mg1_latency_s(rho, [1.0], [1.0], 99) - 1.0
    assert exact < approximate < exact * (1 + too_long)


def test_the_tail_of_mg1_keeps_the_share_that_does_not_wait():
    assert mg1_wait_cdf(60, [0.005, 0.015], [0.5, 0.5], 0.0) == pytest.approx(0.4)


@pytest.mark.parametrize("percentile", [1, 50, 99, 99.9])
def test_an_empty_mg1_answers_after_its_services(percentile):
    latency_s = mg1_latency_s(1e-9, [0.01, 0.02], [0.9, 0.1], percentile)
    assert latency_s == pytest.approx(0.01 if percentile <= 90 else 0.02, rel=1e-5)


@pytest.mark.parametrize("formula", [md1_mean_wait_s, lambda r, s: md1_wait_s(r, s, 99)])
def test_a_server_that_cannot_keep_up_has_no_wait(formula):
    with pytest.raises(PredictError, match="expected a utilisation from 0 to below 1, found 1.2"):
        formula(120, 0.01)


def test_utilisation_is_rate_times_service():
    assert utilisation(25, 0.02) == 0.5


def test_batches_of_one_are_md1():
    queue = bulk_queue(70, lambda size: 0.01, 1)
    assert queue.mean_batch == pytest.approx(1)
    assert queue.utilisation == pytest.approx(0.7)
    assert queue.mean_wait_s == pytest.approx(md1_mean_wait_s(70, 0.01), rel=1e-9)
    assert queue.mean_latency_s == pytest.approx(queue.mean_wait_s + 0.01)


def by_size(size):
    return 0.003 + 0.0005 * size


@pytest.mark.parametrize("load", [0.05, 0.5, 0.9])
def test_a_bulk_queue_serves_what_arrives(load):
    rate = load * highest_bulk_rate_rps(by_size, 8)
    queue = bulk_queue(rate, by_size, 8)
    # Batches are linear in time here, so that the mean batch gives the mean service.
    served = queue.utilisation * queue.mean_batch / (0.003 + 0.0005 * queue.mean_batch)
    assert served == pytest.approx(rate, rel=1e-6)


def test_the_highest_rate_of_a_bulk_queue_is_full_batches():
    assert highest_bulk_rate_rps(by_size, 32) == pytest.approx(32 / 0.019)


def test_batches_of_a_bulk_queue_fill_up_as_the_load_grows():
    highest = highest_bulk_rate_rps(by_size, 16)
    sizes = [bulk_queue(share * highest, by_size, 16).mean_batch for share in (0.1, 0.5, 0.9, 0.96)]
    assert sizes == sorted(sizes)
    assert sizes[0] < 2
    assert sizes[-1] > 12


@pytest.mark.parametrize("load", [0.2, 0.5, 0.8])
def test_large_batches_stay_below_the_bound_for_gpu_servers(load):
    rate = load / 0.0005
    queue = bulk_queue(rate, by_size, 128)
    bound = gpu_batch_mean_latency_bound_s(rate, 0.003, 0.0005)
    assert 0.9 * bound < queue.mean_latency_s <= bound * 1.001


@pytest.mark.parametrize("rate", [0, -1, 3000])
def test_a_bulk_queue_needs_a_rate_that_it_can_serve(rate):
    with pytest.raises(PredictError, match="expected a rate above 0 and below 1142.86/s"):
        bulk_queue(rate, by_size, 8)
