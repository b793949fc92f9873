"""Cores shared by front and passes."""

import numpy as np
import pytest

from analysis.predict.shares import FRONT, PASS, RAN_S, SLICE_S, WHO, cores_given, until_turn_s


def turn_of(who, ran_s=0.0):
    """Of a front with two processes."""
    return np.array([who, ran_s, 2 * SLICE_S])


def test_who_fits_gets_what_it_wants():
    assert cores_given(2, 1, 1.0, 4.0, turn_of(PASS)) == (2.0, 1.0)


@pytest.mark.parametrize(("who", "given"), [(FRONT, (1.0, 0.0)), (PASS, (0.0, 1.0))])
def test_one_core_is_that_of_whose_turn_it_is(who, given):
    assert cores_given(3, 1, 1.0, 1.0, turn_of(who, SLICE_S / 2)) == given


def test_after_its_slice_the_other_has_its_turn():
    turn = turn_of(PASS, SLICE_S)
    assert cores_given(1, 1, 1.0, 1.0, turn) == (1.0, 0.0)
    assert (turn[WHO], turn[RAN_S]) == (FRONT, 0)


def test_a_front_has_a_slice_for_each_of_its_processes():
    turn = turn_of(FRONT, 1.5 * SLICE_S)
    assert cores_given(1, 1, 1.0, 1.0, turn) == (1.0, 0.0)
    assert until_turn_s(1, 1, 1.0, turn) == pytest.approx(SLICE_S / 2)


def test_the_only_one_with_work_has_the_turn():
    turn = turn_of(FRONT, SLICE_S / 2)
    assert cores_given(0, 1, 1.0, 1.0, turn) == (0.0, 1.0)
    assert turn[WHO] == PASS


def test_a_turn_lasts_a_slice_where_another_waits_for_it():
    assert until_turn_s(1, 1, 1.0, turn_of(PASS, 0.001)) == pytest.approx(SLICE_S - 0.001)
    assert until_turn_s(0, 1, 1.0, turn_of(PASS, 0.001)) == np.inf
    assert until_turn_s(1, 1, 4.0, turn_of(PASS, 0.001)) == np.inf


def test_of_several_cores_each_has_half_and_what_the_other_does_not_want():
    assert cores_given(4, 1, 4.0, 4.0, turn_of(FRONT)) == (2.0, 2.0)
    assert cores_given(1, 1, 4.0, 4.0, turn_of(FRONT)) == (1.0, 3.0)
    assert cores_given(9, 1, 1.0, 4.0, turn_of(FRONT)) == (3.0, 1.0)
