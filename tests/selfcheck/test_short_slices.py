"""Short slices of simulated services: how true their P99 is, and how soon they find capacity."""

import math

import numpy as np
import pytest

from analysis.selfcheck.laws import Law, latencies_s
from loadtests.plan.adapt import SeenSlice, edge_of, next_rate
from loadtests.plan.grid import grid_of
from loadtests.plan.slice_length import phases_for
from loadtests.records.experiment import Slo
from loadtests.records.slo import certified, judge_slo
from loadtests.selfcheck.short_slices import (
    FIXED,
    LOAD,
    Service,
    long_run,
    phases_at,
    pooled_s,
    share_over,
)
from loadtests.spec.experiment import CapacitySpec

FIXED_4_MS = Service("fixed", 0.004)
EXPONENTIAL_4_MS = Service("exponential", 0.004, exponential=True)
BATCHES = Service("batches", 0.0015, fixed_s=0.004, max_batch=16)


@pytest.mark.parametrize("service", [FIXED_4_MS, BATCHES], ids=lambda s: s.name)
def test_a_simulated_queue_is_that_of_the_simulated_service(service: Service, law_options) -> None:
    rng = np.random.default_rng(1)
    arrived_s, latency_s, _ = service.latencies_s(rng, 0.9 * service.highest_rps, 20)
    ms = {"service_ms": service.fixed_s * 1000, "item_ms": service.item_s * 1000}
    law = Law(**law_options(**ms, max_batch=service.max_batch))
    assert latency_s == pytest.approx(latencies_s(law, arrived_s))


def test_the_long_run_of_exponential_service_is_the_closed_form() -> None:
    truth = long_run(EXPONENTIAL_4_MS, 200)
    assert truth.p99_s == pytest.approx(math.log(100) / (250 - 200), rel=0.05)


def over_true_p99(service: Service, load: float, fixed: bool = False) -> float:
    """Share of the requests of short slices that lie over the true P99: 1 % without flattery."""
    rate_rps = load * service.highest_rps
    truth = long_run(service, rate_rps)
    phases = FIXED if fixed else phases_at(rate_rps, truth)
    return share_over(pooled_s(service, rate_rps, phases, 60), truth.p99_s)


@pytest.mark.parametrize("load", [0.5, 0.8, 0.9])
@pytest.mark.parametrize("service", [FIXED_4_MS, EXPONENTIAL_4_MS], ids=lambda s: s.name)
def test_slices_as_the_study_makes_them_do_not_flatter_p99(service: Service, load: float) -> None:
    assert 0.007 < over_true_p99(service, load) < 0.013


@pytest.mark.parametrize("load", [0.9, 0.95])
@pytest.mark.parametrize("service", [FIXED_4_MS, EXPONENTIAL_4_MS], ids=lambda s: s.name)
def test_near_saturation_they_flatter_less_than_slices_of_a_fixed_length(
    service: Service, load: float
) -> None:
    assert over_true_p99(service, load) > 1.15 * over_true_p99(service, load, fixed=True)


def seen_of(service: Service, rate_rps: float, seen: list[SeenSlice], rng) -> SeenSlice:
    """A slice of a machine that is up to a tenth slower or quicker each time, and stands still for
    0.2 s in one of 25."""
    phases = phases_for(LOAD, rate_rps, seen, 1)
    pace = rng.lognormal(0, 0.08)
    start_s, end_s = phases.warmup_s * pace, (phases.warmup_s + phases.steady_s) * pace
    arrived_s, latency_s, work_s = service.latencies_s(rng, rate_rps / pace, end_s)
    done_s = arrived_s + latency_s
    if rng.random() < 0.04:
        done_s = np.maximum(
            done_s, np.where(np.abs(arrived_s - end_s / 2) < 0.1, end_s / 2 + 0.1, 0)
        )
    steady = arrived_s >= start_s
    waited_s = (done_s - arrived_s)[steady] / pace
    n_done = int(((done_s >= start_s) & (done_s < end_s)).sum())
    outcome = judge_slo(Slo(), waited_s[waited_s < 3], len(waited_s), n_done)
    return SeenSlice(rate_rps, (outcome,), work_s / pace, float(np.median(waited_s)) * 1000)


@pytest.mark.parametrize(("resolution", "n_own"), [(1.25, 6), (1.1, 8)])
@pytest.mark.parametrize("capacity_rps", [110, 300, 900])
def test_the_edge_of_a_noisy_simulated_service_is_bracketed_by_few_slices(
    capacity_rps: float, resolution: float, n_own: int
) -> None:
    """Common slices at 75 rps between them, as in a study; the batched one is cheaper under load,
    so that its first guess is half of what it can do."""
    unit_s = 1 / capacity_rps
    services = [
        Service("fixed", unit_s),
        Service("exponential", unit_s / 2, exponential=True),
        Service("batches", unit_s * 0.93, fixed_s=unit_s * 1.12, max_batch=16),
    ]
    grid = grid_of(CapacitySpec(start_rps=75, min_rps=10, max_rps=2500, resolution=resolution))
    needed = []
    for seed in range(10):
        for service in services:
            rng, seen, n = np.random.default_rng(seed), [], 0
            while True:
                seen.append(seen_of(service, 75, seen, rng))
                edge = edge_of(seen)
                met_rps, missed_rps = edge.met_rps or 0, edge.missed_rps or math.inf
                if not any(met_rps < rate < missed_rps for rate in grid.rates_rps()):
                    break
                rate_rps = next_rate(seen, grid, [Slo()], certified_by_slo)
                seen.append(seen_of(service, rate_rps, seen, rng))
                n += 1
            needed.append(n)
    assert np.quantile(needed, 0.9) <= n_own


def certified_by_slo(outcomes, slo) -> bool:
    n_over, n = (sum(getattr(o, name) for o in outcomes) for name in ("n_over", "n_offered"))
    return certified(n, n_over, slo.percentile)
