"""Percentiles, and when they are stated."""

import numpy as np
import pytest

from loadtests.records.percentiles import least_successes, nearest_rank, percentile_ms


def test_the_percentile_is_an_observed_value_by_nearest_rank() -> None:
    values = np.arange(1.0, 1001)
    assert nearest_rank(values, 99) == 990
    assert nearest_rank(values, 99.9) == 999
    assert nearest_rank(np.array([7.0]), 50) == 7
    assert nearest_rank(np.array([]), 99) is None


@pytest.mark.parametrize(("percentile", "needed"), [(50, 20), (95, 200), (99, 1000), (99.9, 10000)])
def test_a_percentile_needs_ten_successes_beyond_it(percentile: float, needed: int) -> None:
    assert least_successes(percentile) == needed
    values_s = np.arange(1.0, needed + 1.0)
    assert percentile_ms(values_s[1:], percentile) is None
    assert percentile_ms(values_s, percentile) == pytest.approx((needed - 10) * 1000)
