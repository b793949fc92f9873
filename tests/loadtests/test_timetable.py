"""How long a run still takes: the plan, scaled by what this machine has shown."""

import math

import pytest

from loadtests.timetable import PRIOR_S, Timetable


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_before_anything_is_measured_the_plan_is_expected(clock: Clock) -> None:
    assert Timetable(None, now=clock).expected_s(30) == 30


def test_a_machine_twice_as_slow_is_expected_to_stay_so(clock: Clock) -> None:
    timetable = Timetable(None, now=clock)
    for _ in range(100):
        clock.now_s += 2 * PRIOR_S
        timetable.passed(PRIOR_S)
    assert timetable.expected_s(30) == pytest.approx(60, rel=0.02)


def test_the_budget_runs_from_its_start_and_without_what_was_used_before(clock: Clock) -> None:
    timetable = Timetable(100, earlier_s=30, now=clock)
    clock.now_s = 50  # calibration
    assert timetable.budget_left_s() == 70
    timetable.start_budget()
    clock.now_s = 60
    assert timetable.budget_left_s() == 60


def test_without_a_budget_there_is_no_end_to_it(clock: Clock) -> None:
    timetable = Timetable(None, now=clock)
    timetable.start_budget()
    clock.now_s = 1e6
    assert timetable.budget_left_s() == math.inf


def test_the_time_left_is_what_is_ahead_but_never_more_than_the_budget(clock: Clock) -> None:
    timetable = Timetable(100, now=clock)
    timetable.ahead_s = {"calibration": 10, "search": 30, "blocks": 40}
    assert timetable.left_s() == 80
    timetable.ahead_s["blocks"] = 400
    assert timetable.left_s() == 110
