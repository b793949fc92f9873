"""Arrivals and lengths drawn by seed."""

import numpy as np
import pytest

from analysis.predict.arrivals import arrival_times, length_numbers
from analysis.predict.values import PredictError, Traffic

MIXED = Traffic((10, 100), (0.75, 0.25))


@pytest.mark.parametrize("gap_cv", [0.0, 0.5, 1.0, 2.0])
def test_gaps_have_the_mean_and_the_variation_asked_for(gap_cv):
    traffic = Traffic.of_one_length(10, gap_cv)
    gaps = np.diff(arrival_times(traffic, 200, 100_000, seed=3))
    assert gaps.mean() == pytest.approx(0.005, rel=0.02)
    assert gaps.std() / gaps.mean() == pytest.approx(gap_cv, abs=0.03)
    assert (gaps >= 0).all()


def test_lengths_come_in_their_shares():
    numbers = length_numbers(MIXED, 100_000, seed=3)
    assert set(numbers) == {0, 1}
    assert numbers.mean() == pytest.approx(0.25, abs=0.01)


def test_a_seed_gives_the_same_arrivals_and_lengths_at_every_rate():
    slow, fast = (arrival_times(MIXED, rate, 100, seed=5) for rate in (10, 20))
    assert slow == pytest.approx(2 * fast)
    assert (length_numbers(MIXED, 100, seed=5) == length_numbers(MIXED, 100, seed=5)).all()


def test_no_rate_has_no_arrivals():
    with pytest.raises(PredictError, match="expected a rate above 0/s, found 0"):
        arrival_times(MIXED, 0, 10, seed=1)
