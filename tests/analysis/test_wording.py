import pytest

from analysis.compare import Bound
from analysis.wording import exact_percent, interval, number, plain, rate, times, times_within


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "–"),
        (0, "0"),
        (0.04213, "0.0421"),
        (12.0, "12.0"),
        (139.4, "139"),
        (12345.6, "12,346"),
    ],
)
def test_numbers_keep_three_digits(value, shown):
    assert number(value) == shown


def test_what_was_set_is_shown_without_invented_digits():
    assert rate(75.0) == "75 rps"
    assert plain(70.7) == "70.7"
    assert exact_percent(0.95) == "95\N{NO-BREAK SPACE}%"


@pytest.mark.parametrize(
    ("low", "high", "shown"),
    [
        (None, None, "–"),
        (1.2, None, "at least 1.20"),
        (None, 3.4, "at most 3.40"),
        (1.2, 3.4, "1.20 to 3.40"),
    ],
)
def test_an_interval_says_which_end_is_open(low, high, shown):
    assert interval(low, high) == shown


@pytest.mark.parametrize(
    ("ratio", "low", "high", "shown"),
    [
        (2.4, 2.1, 2.8, "2.40× (2.10 to 2.80)"),
        (2.4, 2.1, None, "2.40× (at least 2.10)"),
        (None, 2.1, None, "at least 2.10×"),
        (2.4, None, None, "–"),
    ],
)
def test_a_ratio_that_nothing_bounds_is_not_stated(ratio, low, high, shown):
    assert times_within(ratio, low, high) == shown


def test_a_bound_is_said_before_its_ratio():
    assert times(2.4, Bound.AT_LEAST) == "at least 2.40×"
    assert times(2.4, Bound.EXACT) == "2.40×"
