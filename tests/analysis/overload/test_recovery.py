"""When answers come in time again. Half of capacity is offered for 4 s after an overload."""

import numpy as np
import pytest

from analysis.overload.recovery import median_s, recovery_s

DUE_S = np.arange(0.005, 4.0, 0.01)


def recovered(late: np.ndarray, due_s: np.ndarray = DUE_S) -> float | None:
    return recovery_s(due_s, ~late, 4.0)


def test_what_was_always_in_time_recovers_at_once() -> None:
    assert recovered(DUE_S < 0) == 0.0


def test_recovery_comes_with_the_last_late_request_of_the_backlog() -> None:
    assert recovered(DUE_S < 1.5) == pytest.approx(1.495)


def test_half_a_second_without_a_late_request_ends_it_and_less_does_not() -> None:
    backlog = DUE_S < 1.0
    assert recovered(backlog | (np.abs(DUE_S - 1.405) < 1e-6)) == pytest.approx(1.405)
    assert recovered(backlog | (np.abs(DUE_S - 1.605) < 1e-6)) == pytest.approx(0.995)


def test_a_recovery_in_the_last_half_second_is_not_seen() -> None:
    assert recovered(DUE_S < 3.45) == pytest.approx(3.445)
    assert recovered(DUE_S < 3.55) is None
    assert recovered(DUE_S < 9) is None


def test_half_a_second_without_any_request_shows_nothing() -> None:
    due_s, late = np.array([0.1, 3.0, 3.8]), np.array([True, False, False])
    assert recovered(late, due_s) == pytest.approx(2.5)
    assert recovered(late, np.array([0.1, 0.5, 3.8])) == pytest.approx(0.1)
    assert recovered(late[:1], due_s[:1]) is None


def test_the_median_takes_a_recovery_that_did_not_come_for_the_longest() -> None:
    assert median_s([0.2, None, 0.4]) == 0.4
    assert median_s([0.2, None, None]) is None
    assert median_s([0.2, None]) is None
    assert median_s([]) is None
