"""Who is the cheapest where."""

import pytest

from analysis.predict.load_curve import MEASUREMENT
from analysis.predict.values import PredictError
from analysis.predict.winner_map import BOUNDS_MS, RATES_RPS, crossover, winner_map
from loadtests.records.experiment import Slo

from .curves import flat_curve, md1_curve

SLO = Slo(percentile=99, latency_ms=50)
QUICK, LARGE = flat_curve("quick", 0.004, 100.0), flat_curve("large", 0.02, 1000.0)


def winners(found):
    return [[cell.winner for cell in row] for row in found.cells]


def test_the_cheapest_that_meets_the_bound_wins_its_cell():
    found = winner_map([QUICK, LARGE], rates_rps=[50, 500], bounds_ms=[1, 10, 100])
    assert winners(found) == [[None, None], ["quick", "quick"], ["quick", "large"]]
    assert [cell.replicas for cell in found.cells[1]] == [1, 5]


def test_of_those_that_cost_the_same_the_first_wins_and_the_others_are_named():
    (cell,) = winner_map([QUICK, LARGE], rates_rps=[50], bounds_ms=[100]).cells[0]
    assert (cell.winner, cell.also) == ("quick", ("large",))
    (cell,) = winner_map([LARGE, QUICK], rates_rps=[50], bounds_ms=[100]).cells[0]
    assert (cell.winner, cell.also) == ("large", ("quick",))


def test_prices_decide():
    prices = {"quick": 1.0, "large": 8.0}
    found = winner_map([QUICK, LARGE], prices, rates_rps=[500, 900], bounds_ms=[100])
    assert winners(found) == [["quick", "large"]]
    assert [cell.cost_per_hour for cell in found.cells[0]] == [5.0, 8.0]


def test_a_contender_without_a_price_is_not_guessed_at():
    with pytest.raises(PredictError, match="expected a price for large, found none"):
        winner_map([QUICK, LARGE], {"quick": 1.0})


def test_a_cell_is_measured_where_one_replica_of_its_winner_was():
    predicted = md1_curve("a", 0.01)
    found = winner_map([predicted], rates_rps=[50], bounds_ms=[100])
    assert not found.cells[0][0].measured
    curve = md1_curve("a", 0.01, by=MEASUREMENT)
    rates = [1, 50, 150]
    found = winner_map([predicted], rates_rps=rates, bounds_ms=[100], measured={"a": curve})
    assert [cell.measured for cell in found.cells[0]] == [False, True, False]


def test_the_map_covers_the_rates_and_bounds_of_the_question():
    found = winner_map([md1_curve("a", 0.01), md1_curve("b", 0.002)])
    assert (len(RATES_RPS), len(BOUNDS_MS)) == (30, 12)
    assert (RATES_RPS[0], BOUNDS_MS[0]) == pytest.approx((10, 5))
    assert (RATES_RPS[-1], BOUNDS_MS[-1]) == pytest.approx((10_000, 500))
    assert [len(row) for row in found.cells] == [30] * 12


def test_costs_cross_where_one_replica_is_no_longer_enough():
    slow, fast = md1_curve("slow", 0.01), md1_curve("fast", 0.002)
    found = crossover(slow, fast, SLO)
    assert found.rate_rps == pytest.approx(slow.capacity_rps(SLO), rel=0.01)
    assert found.low_rps < found.rate_rps < found.high_rps
    assert found.low_rps == pytest.approx(0.95 * found.rate_rps, rel=0.01)


def test_one_that_is_never_dearer_has_no_crossover():
    slow, fast = md1_curve("slow", 0.01), md1_curve("fast", 0.002)
    assert crossover(fast, slow, SLO).rate_rps is None


def test_one_that_never_meets_the_bound_is_dearer_from_the_start():
    slow, fast = md1_curve("slow", 0.06), md1_curve("fast", 0.002)
    assert crossover(slow, fast, SLO).rate_rps == pytest.approx(1)
