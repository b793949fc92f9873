"""A slice settles and lasts by the relaxation time of its queue, within bounds."""

import pytest

from loadtests.plan.adapt import SeenSlice
from loadtests.plan.slice_length import phases_for, relaxation_s, utilisation
from loadtests.records.experiment import LoadSpec
from loadtests.records.slo import SloOutcome

LOAD = LoadSpec(warmup_s=0.4, steady_s=2.5)


def seen(
    rate_rps: float, cpu_s: float | None = 0.004, p50_ms: float | None = None, saturated=False
) -> SeenSlice:
    outcome = SloOutcome(not saturated, saturated, 5.0, 0.0, 0, 500)
    return SeenSlice(rate_rps, (outcome,), cpu_s, p50_ms)


def lengths(rate_rps: float, *slices: SeenSlice, n_cores: int = 1) -> tuple[float, float]:
    phases = phases_for(LOAD, rate_rps, slices, n_cores)
    return round(phases.warmup_s, 2), round(phases.steady_s, 2)


def test_where_nothing_is_known_the_load_says_how_long() -> None:
    assert lengths(300) == (0.4, 2.5)
    assert lengths(300, seen(300, cpu_s=None)) == (0.4, 2.5)


def test_the_relaxation_time_is_that_of_an_mm1_queue() -> None:
    assert relaxation_s(225, 0.9) == pytest.approx(0.004 / (1 - 0.9**0.5) ** 2)


@pytest.mark.parametrize(
    ("load", "expected"),
    [(0.5, (0.4, 2.5)), (0.85, (0.66, 2.5)), (0.9, (1.52, 3.8)), (0.95, (2.0, 5.0))],
)
def test_a_slice_lasts_longer_the_nearer_it_is_to_saturation(load: float, expected) -> None:
    assert lengths(load / 0.002, seen(75, 0.002)) == expected


def test_several_cores_share_the_utilisation_and_shorten_the_queue() -> None:
    assert utilisation(400, [seen(75)], 2) == pytest.approx(0.8)
    assert lengths(400, seen(75), n_cores=2) < lengths(200, seen(75))


def test_the_cpu_of_the_nearest_rate_counts() -> None:
    assert utilisation(200, [seen(75, 0.006), seen(180, 0.004)], 1) == pytest.approx(0.8)


def test_a_rate_beyond_saturation_is_measured_no_longer_than_the_load_says() -> None:
    assert lengths(300, seen(280, saturated=True)) == (0.4, 2.5)
    assert lengths(300, seen(300, 0.003, p50_ms=500, saturated=True)) == (0.4, 2.5)
    assert lengths(300, seen(75)) == (0.4, 2.5)


def test_without_cpu_the_rate_that_saturated_the_server_tells_how_near_it_is() -> None:
    found = utilisation(225, [seen(75, None), seen(250, None, saturated=True)], 1)
    assert found == pytest.approx(0.9)


def test_one_saturated_slice_among_three_does_not_make_a_rate_saturated() -> None:
    slices = [seen(225), seen(225), seen(225, saturated=True)]
    assert lengths(225, *slices) == (2.0, 5.0)


def test_a_busy_server_whose_requests_hardly_wait_needs_no_long_slice() -> None:
    busy = seen(450, 0.0021, p50_ms=8)
    assert utilisation(450, [busy], 1) == pytest.approx(1 - 1 / 7.2)
    assert lengths(450, busy) == (0.74, 2.5)
    assert lengths(225, seen(225, p50_ms=17)) < lengths(225, seen(225, p50_ms=100)) == (2.0, 5.0)


def test_few_requests_a_second_are_measured_until_they_can_certify() -> None:
    assert lengths(150, seen(150)) == (0.4, 4.0)
    assert lengths(10, seen(10)) == (0.4, 5.0)


def test_what_the_load_asks_for_is_the_least() -> None:
    longer = LoadSpec(warmup_s=5, steady_s=20)
    phases = phases_for(longer, 240, [seen(75)], 1)
    assert (phases.warmup_s, phases.steady_s) == (5, 20)
