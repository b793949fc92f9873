"""The truth about a simulated service agrees with theory and with the service itself."""

import numpy as np
import pytest

from analysis.selfcheck.laws import (
    Law,
    latencies_s,
    poisson_latencies_s,
    read_law,
    true_capacity_rps,
)
from loadtests.plan.adapt import SeenSlice, edge_of, next_rate
from loadtests.plan.grid import grid_of
from loadtests.records.experiment import Slo
from loadtests.records.slo import judge_slo
from loadtests.spec.experiment import CapacitySpec
from servers.simulated_service.law import Law as ServedLaw
from servers.simulated_service.law import Queue

LAWS = {
    "fixed": {},
    "exponential": {"distribution": "exponential"},
    "batch": {"service_ms": 20.0, "item_ms": 2.0, "max_batch": 8},
    "exponential batch": {"distribution": "exponential", "service_ms": 15.0, "max_batch": 4},
    "stall": {"service_ms": 3.7, "stall_every_ms": 613.0, "stall_ms": 60.0},
    "leak": {"service_ms": 2.0, "leak_ms": 0.001},
    "faults": {"errors_from": 10, "errors_to": 50, "drop_every": 20},
    "faults in batches": {"max_batch": 8, "errors_to": 9, "drop_every": 7},
}


def served(options, arrivals_s) -> np.ndarray:
    """Latencies that the service itself would give, told of each arrival when it comes."""
    law = ServedLaw.from_options(options)
    queue: Queue[int] = Queue(law)
    done_s = np.full(len(arrivals_s), np.nan)
    for number, at_s in enumerate(arrivals_s - arrivals_s[0]):
        if law.fails(number) or law.drops(number):
            continue
        queue.arrive(at_s, number, number)
        for end_s, items in queue.start(at_s):
            done_s[items] = end_s
    for end_s, items in queue.start(1e9):
        done_s[items] = end_s
    return done_s - (arrivals_s - arrivals_s[0])


def mm1_percentile_s(percentile: float, rate_rps: float, service_rps: float) -> float:
    """Percentile of latency of an M/M/1 queue: exponential with rate service_rps - rate_rps."""
    return float(-np.log(1 - percentile / 100) / (service_rps - rate_rps))


def md1_mean_s(rate_rps: float, service_s: float) -> float:
    """Mean latency of an M/D/1 queue (Pollaczek-Khinchine): s + L s^2 / (2 (1 - L s))."""
    return service_s + rate_rps * service_s**2 / (2 * (1 - rate_rps * service_s))


def batch_mean_bound_s(rate_rps: float, item_s: float, fixed_s: float) -> float:
    """Upper bound on the mean latency where a batch of b takes item_s * b + fixed_s and the server
    takes all that wait (Inoue, Performance Evaluation 2021, arXiv:1912.06322)."""
    load = rate_rps * item_s
    phi0 = (item_s + fixed_s) / (2 * (1 - load))
    phi0 *= 1 + 2 * rate_rps * fixed_s + (1 - rate_rps * fixed_s) / (1 + load)
    phi1 = 1.5 * fixed_s / (1 - load) + item_s / 2 * (load + 2) / (1 - load**2)
    return min(phi0, phi1)


@pytest.mark.parametrize("changes", LAWS.values(), ids=LAWS)
def test_truth_and_service_agree_on_every_request(law, law_options, changes) -> None:
    arrivals_s = np.cumsum(np.random.default_rng(3).exponential(0.01, 5000))
    truth_s = latencies_s(law(**changes), arrivals_s)
    assert truth_s == pytest.approx(served(law_options(**changes), arrivals_s), nan_ok=True)


def test_the_mean_of_a_fixed_service_is_that_of_pollaczek_and_khinchine(law) -> None:
    simulated_s = poisson_latencies_s(law(service_ms=7.0), 100, 1_000_000, seed=1).mean()
    assert simulated_s == pytest.approx(md1_mean_s(100, 0.007), rel=0.02)


def test_the_percentiles_of_an_exponential_service_are_those_of_theory(law) -> None:
    simulated_s = poisson_latencies_s(
        law(distribution="exponential", service_ms=6.0), 100, 100_000, seed=2
    )
    for percentile in (50, 90, 99):
        expected_s = mm1_percentile_s(percentile, 100, 1000 / 6)
        assert np.percentile(simulated_s, percentile) == pytest.approx(expected_s, rel=0.05)


@pytest.mark.parametrize("rate_rps", [20, 200, 800])
def test_the_mean_of_a_batch_service_stays_at_its_bound(law, rate_rps: float) -> None:
    batch = law(service_ms=3.0, item_ms=0.5, max_batch=100_000)
    simulated_s = poisson_latencies_s(batch, rate_rps, 100_000, seed=3).mean()
    bound_s = batch_mean_bound_s(rate_rps, 0.0005, 0.003)
    # The bound is tight: within 6 % of the mean everywhere.
    assert 0.93 * bound_s <= simulated_s <= 1.01 * bound_s


def test_at_a_low_rate_every_law_takes_its_own_time_only(law) -> None:
    arrivals_s = np.arange(10) * 10.0
    assert latencies_s(law(service_ms=7.0), arrivals_s) == pytest.approx(0.007)
    batch = law(service_ms=7.0, item_ms=2.0, max_batch=4)
    assert latencies_s(batch, arrivals_s) == pytest.approx(0.009)


def test_the_highest_rate_is_the_one_beyond_which_the_queue_grows(law) -> None:
    for changes in ({"service_ms": 8.0}, LAWS["batch"], LAWS["stall"]):
        limit_rps = law(**changes).highest_rate_rps
        below, above = (
            poisson_latencies_s(law(**changes), share * limit_rps, 50_000, seed=4)
            for share in (0.9, 1.1)
        )
        assert below[-1000:].mean() < 1
        assert above[-1000:].mean() > 5


def test_options_that_are_no_law_are_read_as_none(law_options) -> None:
    assert read_law({"options": law_options(distribution="none")}) is None
    assert isinstance(read_law({"options": law_options()}), Law)


def test_arrivals_are_independent_of_the_service_times_whatever_their_seeds(law) -> None:
    latency_s = poisson_latencies_s(
        law(distribution="exponential", service_ms=5.0, seed=1), 120, 100_000, seed=1
    )
    truth_s = mm1_percentile_s(99, 120, 200)
    assert np.percentile(latency_s, 99) == pytest.approx(truth_s, rel=0.1)


@pytest.mark.parametrize(
    "changes",
    [{"service_ms": 7.0}, LAWS["exponential"], LAWS["batch"]],
    ids=["M/D/1", "M/M/1", "batch"],
)
def test_the_search_for_capacity_ends_at_the_true_one(law, changes) -> None:
    """The study's own search and SLO rule, on long slices that follow the law exactly."""
    slo = Slo(latency_ms=60)
    grid = grid_of(CapacitySpec(start_rps=20, min_rps=5, max_rps=400, resolution=1.19))
    seen: list[SeenSlice] = []
    for _ in range(12):
        rate_rps = next_rate(seen, grid, [slo], lambda _, __: False)
        latency_s = poisson_latencies_s(law(**changes), rate_rps, 20_000, seed=len(seen))
        outcome = judge_slo(slo, latency_s, len(latency_s), len(latency_s))
        seen.append(SeenSlice(rate_rps, (outcome,)))
    rates_rps = grid.rates_rps()
    truth_rps = true_capacity_rps(law(**changes), 60, 99, rates_rps, 20_000)
    assert edge_of(seen).met_rps == truth_rps
