"""The rate of the next slice: guess, growing steps, bisection, proofs at the edge, the curve."""

import random
from collections.abc import Callable, Sequence

import pytest

from loadtests.plan.adapt import SeenSlice, bracket, next_rate
from loadtests.plan.grid import Grid, grid_of
from loadtests.records.experiment import Slo
from loadtests.records.slo import Objective, SloOutcome
from loadtests.spec.experiment import CapacitySpec

SPEC = CapacitySpec(start_rps=75, min_rps=10, max_rps=2000, resolution=1.25)
GRID = grid_of(SPEC)
FINE = grid_of(SPEC.model_copy(update={"resolution": 1.1}))
MAIN, FURTHER = Slo(latency_ms=100), Slo(latency_ms=50)


def outcome(met: bool = True, over: float = 0.1, n: int = 600) -> SloOutcome:
    """over: share of requests over the SLO where it was missed."""
    return SloOutcome(met, over > 0.5, 5.0, 0.0, 0 if met else round(over * n), n)


def seen(rate_rps: float, met: bool = True, cpu_s: float | None = None, over: float = 0.1):
    return SeenSlice(rate_rps, (outcome(met, over, round(rate_rps * 2.5)),), cpu_s)


def met_by_all(windows: Sequence[SloOutcome], slo: Objective) -> bool:
    """Stands for the certificate: two slices without a request over."""
    return len(windows) > 1 and not any(window.n_over for window in windows)


def following(slices: Sequence[SeenSlice], grid: Grid = GRID, n_cores: int = 1) -> float:
    return next_rate(slices, grid, [MAIN], met_by_all, n_cores)


def searched(
    answer: Callable[[float], SeenSlice], first: Sequence[SeenSlice], n: int, grid: Grid = GRID
) -> list[float]:
    """The rates of n slices in turn."""
    slices = list(first)
    for _ in range(n):
        slices.append(answer(following(slices, grid)))
    return [each.rate_rps for each in slices[len(first) :]]


def server(capacity_rps: float, cpu_s: float | None = None) -> Callable[[float], SeenSlice]:
    """Meets the SLO up to its capacity, and misses it by far from 1.1 times that on."""
    return lambda rate: seen(
        rate, rate <= capacity_rps, cpu_s, 0.9 if rate > 1.1 * capacity_rps else 0.1
    )


def test_the_grid_starts_at_the_start_and_stays_within_its_bounds() -> None:
    rates = GRID.rates_rps()
    assert 75 in rates
    assert rates == sorted(set(rates))
    assert (rates[0] >= 10, rates[-1] <= 2000) == (True, True)
    assert all(1.23 < b / a < 1.27 for a, b in zip(rates, rates[1:], strict=False))


def test_rates_beyond_what_the_client_can_prove_are_not_on_the_grid() -> None:
    assert max(grid_of(SPEC, highest_valid_rps=300).rates_rps()) <= 300
    assert grid_of(SPEC, highest_valid_rps=10).highest == 0


def test_where_nothing_is_known_the_start_is_measured_first() -> None:
    assert following([]) == 75


@pytest.mark.parametrize(
    ("cpu_s", "n_cores", "rate_rps"), [(0.005, 1, 229.0), (0.01, 1, 117.0), (0.01, 2, 229.0)]
)
def test_the_first_guess_is_the_utilisation_law(cpu_s: float, n_cores: int, rate_rps) -> None:
    assert following([seen(75, cpu_s=cpu_s)], n_cores=n_cores) == rate_rps


def test_a_common_rate_beyond_capacity_guesses_below_itself() -> None:
    assert following([seen(75, met=False, cpu_s=0.031, over=0.9)]) == 38.4


def test_a_guess_goes_at_most_four_times_beyond_what_was_met() -> None:
    assert following([seen(75, cpu_s=0.0002)]) == 286


def test_steps_beyond_a_guess_grow() -> None:
    rates = searched(server(5000, 0.005), [seen(75, cpu_s=0.005)], 4)
    assert rates == [229, 358, 698, 1360]


def test_a_latency_that_grows_towards_its_bound_shortens_the_step() -> None:
    def at(rate_rps: float, latency_ms: float) -> SeenSlice:
        return SeenSlice(rate_rps, (SloOutcome(True, False, latency_ms, 0.0, 0, 600),), 0.005)

    assert following([at(75, 10), at(229, 10)]) == 358
    assert following([at(75, 10), at(229, 30)]) == 286
    assert following([at(75, 10), at(229, 20)]) == 358


def test_without_cpu_the_rate_doubles_or_halves() -> None:
    assert searched(server(5000), [], 4) == [75, 146, 286, 559]
    assert searched(lambda rate: seen(rate, met=False, over=0.9), [], 3) == [75, 38.4, 19.7]


def test_the_interval_is_bisected_to_neighbours_of_the_grid() -> None:
    slices = [seen(75), seen(286, met=False, over=0.9)]
    rates = [75.0, 286.0, *searched(server(150), slices, 2)]
    assert rates == [75, 286, 146, 183]


@pytest.mark.parametrize("grid", [GRID, FINE])
@pytest.mark.parametrize("capacity_rps", [12.0, 40, 74, 76, 110, 300, 423, 1100, 1900])
@pytest.mark.parametrize("off", [0.5, 1.0, 2.0])
def test_the_capacity_is_bracketed_within_seven_slices_where_the_guess_is_off_by_two(
    capacity_rps: float, off: float, grid: Grid
) -> None:
    answer = server(capacity_rps, off / capacity_rps)
    rates = searched(answer, [answer(75.0)], 7, grid)
    below = [r for r in {75.0, *rates} if r <= capacity_rps]
    above = [r for r in {75.0, *rates} if r > capacity_rps]
    assert not [r for r in grid.rates_rps() if max(below) < r < min(above)]


def test_no_rate_is_twice_the_capacity_where_the_guess_is_right_or_low() -> None:
    for capacity_rps in (60, 110, 300, 450, 900):
        for off in (1.0, 1.5, 2.0):
            answer = server(capacity_rps, off / capacity_rps)
            own = searched(answer, [answer(75.0)], 12)
            assert max(own) < 2 * capacity_rps


BRACKETED = (seen(183), seen(229, met=False))


def test_a_slight_miss_is_looked_at_again_before_it_counts() -> None:
    assert following(BRACKETED) == 229


def test_a_miss_by_most_requests_needs_no_second_slice() -> None:
    assert following([seen(183), seen(229, met=False, over=0.9)]) == 183


def test_the_rate_below_the_edge_is_measured_until_it_is_certified() -> None:
    slices = [*BRACKETED, seen(229, met=False)]
    assert following(slices) == 183
    assert following([*slices, *[seen(183)] * 2]) != 183


def test_an_edge_without_certificate_after_two_slices_asks_the_rate_below() -> None:
    few_over = SeenSlice(183, (SloOutcome(True, False, 90.0, 0.0, 6, 600),))
    slices = [seen(75), *[few_over] * 2, *[seen(229, met=False)] * 2]
    assert following(slices) == 146
    assert following([*slices, seen(146)]) == 146
    assert following([*slices, *[seen(146)] * 3]) not in (117, 146)


def test_one_noisy_miss_among_three_slices_is_outvoted_and_the_search_goes_on_above() -> None:
    slices = [*BRACKETED, seen(229), seen(229)]
    assert following(slices) > 229


def test_a_second_miss_at_the_edge_moves_it_down() -> None:
    slices = [seen(146), seen(183), seen(183, met=False), seen(229, met=False, over=0.9)]
    windows = {146.0: [outcome()], 183.0: [outcome(), outcome(False)], 229.0: [outcome(False)]}
    assert (bracket(windows).met_rps, bracket(windows).missed_rps) == (146, 183)
    assert following(slices) in (146, 183)


def test_two_noisy_misses_among_many_slices_at_a_low_rate_do_not_make_it_the_edge() -> None:
    windows = {75.0: [outcome()] * 8 + [outcome(False)] * 2, 183.0: [outcome()]}
    assert bracket(windows).met_rps == 183


def test_a_rate_met_once_above_one_that_was_missed_twice_does_not_count() -> None:
    windows = {75.0: [outcome()], 94.0: [outcome(False)] * 2, 117.0: [outcome()]}
    assert bracket(windows).met_rps == 75


def test_a_rate_at_which_no_slice_could_be_used_is_left_after_two() -> None:
    unusable = SeenSlice(229, ())
    slices = [seen(75, cpu_s=0.005), unusable]
    assert following(slices) == 229
    assert following([*slices, unusable]) == 286
    assert following([SeenSlice(75, ())] * 2) in (60, 93.8)


def test_many_contradictions_of_the_guess_do_not_overflow_its_step() -> None:
    dense = grid_of(SPEC.model_copy(update={"resolution": 1.02}))
    slices = [seen(rate, cpu_s=0.1) for rate in dense.rates_rps() if rate < 900]
    assert 900 <= following(slices, dense) <= 1800


def test_the_order_of_what_was_seen_does_not_matter() -> None:
    slices = [seen(75, cpu_s=0.004), seen(183, cpu_s=0.004), seen(286, met=False, cpu_s=0.0035)]
    assert following(slices) == following(slices[::-1])


def test_any_history_gives_a_rate_of_the_grid_or_one_that_was_seen() -> None:
    rng = random.Random(1)
    for _ in range(500):
        slices = []
        for _ in range(rng.randint(0, 12)):
            met, latency_ms = rng.random() < 0.6, rng.choice([None, 0.5, 20.0, 100.0, 900.0])
            met = met and latency_ms is not None and latency_ms <= 100
            n = rng.randint(1, 900)
            failed = rng.choice([0.0, 0.0, 0.5, 1.0])
            one = SloOutcome(met, rng.random() < 0.2, latency_ms, failed, rng.randint(0, n), n)
            outcomes = rng.choice([(one, one), (one, outcome()), ()])
            cpu_s = rng.choice([None, 0.0, 0.0005, 0.02])
            slices.append(SeenSlice(rng.choice([5.0, 90, *GRID.rates_rps()]), outcomes, cpu_s))
        rate_rps = next_rate(slices, GRID, [MAIN, FURTHER], met_by_all)
        assert rate_rps in {*GRID.rates_rps(), *(each.rate_rps for each in slices)}


DONE = (*[seen(183)] * 3, seen(229, met=False), seen(229, met=False))
"""The edge of the main SLO has both its proofs, and 1,000 successes below it."""


def test_then_the_edge_of_a_further_slo_is_looked_for() -> None:
    slices = [
        SeenSlice(each.rate_rps, (each.outcomes[0], outcome(each.rate_rps < 100)))
        for each in (seen(75), *DONE)
    ]
    assert next_rate(slices, GRID, [MAIN, FURTHER], met_by_all) == 117


def test_then_five_rates_below_the_edge_get_a_thousand_successes_each() -> None:
    slices = [seen(75), *DONE]
    rates = []
    for _ in range(40):
        rates.append(following(slices))
        slices.append(server(200)(rates[-1]))
    answered = {r: sum(s.outcomes[0].n_offered for s in slices if s.rate_rps == r) for r in rates}
    assert rates[:5] == [75] * 5
    assert len({183, *rates} - {229.0}) == 5
    assert all(n >= 1000 for rate, n in answered.items() if rate < 200)
    assert min(rates) >= 183 / 4


def test_what_is_left_goes_to_the_edge() -> None:
    slices = [*[seen(rate) for rate in (48, 60, 75, 117, 183) for _ in range(20)]]
    slices += [seen(229, met=False)] * 3
    assert following(slices) == 229


def test_a_server_that_meets_the_slo_everywhere_is_driven_to_the_highest_rate() -> None:
    rates = searched(server(9999, 0.0005), [seen(75, cpu_s=0.0005)], 8)
    assert max(rates) == max(GRID.rates_rps())


def test_a_server_that_never_meets_the_slo_is_driven_to_the_lowest_rate() -> None:
    rates = searched(server(1, 0.02), [seen(75, met=False, cpu_s=0.02, over=0.9)], 8)
    assert min(rates) == min(GRID.rates_rps())
