import pytest

from analysis.compare.ratios import Bound
from analysis.report.words.numbers import (
    exact_percent,
    flops,
    interval,
    level,
    number,
    plain,
    rate,
    shares,
    times,
    times_within,
)


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
    assert rate(1600.0) == "1,600 rps"
    assert rate(12_000.0) == "12,000 rps"
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


@pytest.mark.parametrize(
    ("value_per_s", "shown"),
    [(None, "–"), (5.93e9, "5.93 GFLOP/s"), (7.02e12, "7.02 TFLOP/s"), (7.9e14, "790 TFLOP/s")],
)
def test_operations_a_second_carry_their_unit(value_per_s, shown):
    assert flops(value_per_s).replace("\N{NO-BREAK SPACE}", " ") == shown


def test_shares_are_told_by_name_the_largest_first():
    found = shares({"GPU idle": 0.1, "software power cap": 0.4}).replace("\N{NO-BREAK SPACE}", " ")
    assert found == "software power cap 40.0 %, GPU idle 10.0 %"
    assert (shares({}), shares(None)) == ("never", "–")


@pytest.mark.parametrize(
    ("label", "shown"),
    [
        ("183rps", "183 rps"),
        ("93.8rps", "93.8 rps"),
        ("1600rps", "1,600 rps"),
        ("c1", "1 caller"),
        ("c16", "16 callers"),
    ],
)
def test_a_load_level_is_shown_with_its_unit(label, shown):
    assert level(label) == shown
