"""Cores shared by front and passes."""

import numpy as np
import pytest

from analysis.predict.shares import SLICE_S, catch_up, cores_given, until_even_s


def used(front, passes):
    return np.array([front, passes], dtype=float)


def test_who_fits_gets_what_it_wants():
    assert cores_given(2, 1, 1.0, 4.0, used(5, 0)) == (2.0, 1.0)


def test_who_has_had_less_goes_first():
    assert cores_given(1, 1, 1.0, 1.0, used(0, 1)) == (1.0, 0.0)
    assert cores_given(1, 1, 1.0, 1.0, used(1, 0)) == (0.0, 1.0)


def test_who_has_had_as_much_gets_half():
    assert cores_given(3, 1, 1.0, 1.0, used(1, 1)) == (0.5, 0.5)
    assert cores_given(4, 1, 4.0, 4.0, used(1, 1)) == (2.0, 2.0)


def test_a_front_that_wants_less_than_half_gets_that():
    assert cores_given(1, 1, 4.0, 4.0, used(1, 1)) == (1.0, 3.0)


def test_the_two_are_level_when_the_one_behind_has_caught_up():
    behind = used(0, 0.002)
    given = cores_given(1, 1, 1.0, 1.0, behind)
    assert until_even_s(1, 1, given, behind) == pytest.approx(0.002)
    assert until_even_s(1, 1, (0.5, 0.5), used(1, 1)) == np.inf
    assert until_even_s(1, 0, (1.0, 0.0), behind) == np.inf


def test_one_who_slept_is_ahead_by_a_slice_at_most():
    had = used(0, 10)
    catch_up(had, 0)
    assert had[0] == pytest.approx(10 - SLICE_S)
    catch_up(had, 1)
    assert had[1] == 10
