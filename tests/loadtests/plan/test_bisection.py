"""The search for capacity: ends, hits the true grid cell, and re-uses what is known."""

import random
from collections.abc import Callable

import pytest

from loadtests.plan.bisection import Grid, found_index, grid_of, next_for_any, next_index
from loadtests.spec.experiment import CapacitySpec

SPEC = CapacitySpec(start_rps=75, min_rps=5, max_rps=2000, resolution=1.19)
GRID = grid_of(SPEC)

Answer = Callable[[int], bool | None]


def searched(answer: Answer, grid: Grid = GRID, within: int = 1) -> dict[int, bool | None]:
    probes: dict[int, bool | None] = {}
    while (index := next_index(probes, grid, within)) is not None:
        assert index not in probes
        assert grid.lowest <= index <= grid.highest
        probes[index] = answer(index)
    return probes


def test_the_grid_starts_at_the_start_and_stays_within_its_bounds() -> None:
    rates = [GRID.rate_rps(k) for k in range(GRID.lowest, GRID.highest + 1)]
    assert GRID.rate_rps(0) == 75
    assert rates == sorted(set(rates))
    assert rates[0] >= 5
    assert rates[-1] <= 2000
    assert all(1.17 < b / a < 1.21 for a, b in zip(rates, rates[1:], strict=False))


def test_rates_beyond_what_the_client_can_prove_are_not_on_the_grid() -> None:
    bounded = grid_of(SPEC, highest_valid_rps=300)
    assert bounded.rate_rps(bounded.highest) <= 300
    assert grid_of(SPEC, highest_valid_rps=10).highest == 0


@pytest.mark.parametrize("capacity_rps", [5.0, 7, 20, 37, 74, 75, 76, 100, 149, 150, 423, 1999])
def test_the_true_capacity_lies_between_the_rate_found_and_the_next_one(
    capacity_rps: float,
) -> None:
    probes = searched(lambda k: GRID.rate_rps(k) <= capacity_rps)
    found = found_index(probes)
    true = [k for k in range(GRID.lowest, GRID.highest + 1) if GRID.rate_rps(k) <= capacity_rps]
    assert found == max(true, default=None)
    assert len(probes) <= 9


def test_a_server_that_never_meets_the_slo_has_no_capacity() -> None:
    probes = searched(lambda k: False)
    assert found_index(probes) is None
    assert min(probes) == GRID.lowest


def test_a_server_that_always_meets_it_is_driven_to_the_highest_rate() -> None:
    assert found_index(searched(lambda k: True)) == GRID.highest


def test_the_search_doubles_then_bisects() -> None:
    probes = searched(lambda k: GRID.rate_rps(k) <= 110)
    assert [GRID.rate_rps(k) for k in probes] == [75, 150, 106, 126]


def test_noisy_answers_end_between_a_rate_that_was_met_and_one_that_was_not() -> None:
    for seed in range(200):
        rng = random.Random(seed)
        probes = searched(lambda k, rng=rng: rng.choice([True, False, None]))
        found = found_index(probes)
        not_met = [k for k, met in probes.items() if met is False]
        if found is not None and not_met:
            between = range(found + 1, min(not_met))
            assert found < min(not_met)
            assert all(probes[k] is None for k in between)


def test_a_rate_met_above_one_that_was_not_does_not_count() -> None:
    assert found_index({0: True, 4: False, 6: True}) == 0


def test_a_miss_in_doubt_is_probed_again_before_the_search_ends_there() -> None:
    probes = {0: True, 1: False, 4: False}
    assert next_index(probes, GRID) is None
    assert next_index(probes, GRID, doubted={1, 4}) == 1
    assert next_index(probes, GRID, doubted={4}) is None


def test_a_miss_in_doubt_waits_while_the_search_goes_on_below_it() -> None:
    assert next_index({0: True, 4: False}, GRID, doubted={4}) == 2


def test_a_miss_in_doubt_below_a_rate_that_was_met_is_probed_again_at_once() -> None:
    assert next_index({0: False, 2: True}, GRID, doubted={0}) == 0
    assert next_index({0: False, 2: True}, GRID) == -4


def test_a_search_disturbed_once_at_every_rate_still_finds_the_capacity() -> None:
    """The first window at each rate is missed, whatever the server can do."""
    n_windows: dict[int, int] = {}

    def known() -> tuple[dict[int, bool | None], set[int]]:
        met = {k: n >= 3 and GRID.rate_rps(k) <= 160 for k, n in n_windows.items()}
        return met, {k for k, n in n_windows.items() if n == 1 or (n == 2 and k <= 4)}

    while (index := next_for_any([known()], GRID)) is not None:
        n_windows[index] = n_windows.get(index, 0) + 1
    assert GRID.rate_rps(found_index(known()[0]) or 0) == 150


def test_few_wrong_answers_near_the_capacity_cost_few_probes_and_little_accuracy() -> None:
    for seed in range(100):
        rng = random.Random(seed)
        probes = searched(lambda k, rng=rng: rng.random() < 1 / (1 + 8.0 ** (k - 6.5)))
        found = found_index(probes)
        assert found is not None
        assert 3 <= found <= 9
        assert len(probes) <= 10


def test_a_late_client_is_never_taken_for_a_rate_that_was_met() -> None:
    probes = searched(lambda k: None if k >= 4 else True)
    found = found_index(probes)
    assert found is not None
    assert found <= 3


def test_a_late_client_at_one_rate_does_not_end_the_search_there() -> None:
    assert found_index(searched(lambda k: None if k == 4 else k <= 6)) == 6


def test_a_coarser_search_leaves_out_the_finest_step_only() -> None:
    fine = searched(lambda k: GRID.rate_rps(k) <= 110)
    coarse = searched(lambda k: GRID.rate_rps(k) <= 110, within=2)
    assert list(fine)[: len(coarse)] == list(coarse)
    assert len(fine) - len(coarse) == 1


def test_several_slos_are_searched_with_the_probes_of_the_first() -> None:
    probed: list[int] = []
    capacities_rps = (430, 160)

    def known(slo: int) -> dict[int, bool | None]:
        return {k: GRID.rate_rps(k) <= capacities_rps[slo] for k in probed}

    while (index := next_for_any([(known(0), ()), (known(1), ())], GRID)) is not None:
        assert index not in probed
        probed.append(index)
    assert [GRID.rate_rps(found_index(known(slo)) or 0) for slo in (0, 1)] == [427, 150]
    assert len(probed) <= len(searched(lambda k: GRID.rate_rps(k) <= 430)) + 2
