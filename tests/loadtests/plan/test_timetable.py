"""How long a run still takes: the plan, scaled by what this machine has shown."""

import math
import signal

import pytest

from loadtests.plan.timetable import PRIOR_S, Limits, Timetable, TimeUp, cut_off


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


def test_the_tighter_of_two_budgets_counts(clock: Clock) -> None:
    timetable = Timetable(100, until_s=80, now=clock)
    timetable.start_budget()
    clock.now_s = 30
    assert timetable.budget_left_s() == 50
    assert Timetable(40, until_s=80, now=clock).budget_left_s() == 40


def test_nothing_is_begun_that_cannot_end_in_time(clock: Clock) -> None:
    timetable = Timetable(None, until_s=100, now=clock)
    clock.now_s = 70
    assert timetable.can_begin(30)
    assert not timetable.can_begin(31)


def test_a_quick_machine_does_not_shorten_load_but_a_slow_one_lengthens_it(clock: Clock) -> None:
    quick, slow = (Timetable(None, until_s=10_000, now=clock) for _ in range(2))
    for _ in range(50):
        clock.now_s += PRIOR_S / 2
        quick.passed(PRIOR_S)
        slow.passed(PRIOR_S / 8)
    clock.now_s = 9970
    assert not quick.can_begin(31)
    assert not slow.can_begin(20)


def test_what_runs_when_the_experiments_own_budget_ends_may_end_later(clock: Clock) -> None:
    timetable = Timetable(100, now=clock)
    timetable.start_budget()
    clock.now_s = 99
    assert timetable.can_begin(30)
    clock.now_s = 100
    assert not timetable.can_begin(0)


def test_what_runs_when_time_is_up_is_cut_off() -> None:
    with pytest.raises(TimeUp), cut_off(0.01):
        signal.pause()


def test_what_ends_in_time_is_not_cut_off_later() -> None:
    before = signal.getsignal(signal.SIGALRM)
    with cut_off(3600):
        pass
    with cut_off(math.inf):
        pass
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
    assert signal.getsignal(signal.SIGALRM) == before


def test_a_trial_is_repeated_only_where_others_keep_their_time(clock: Clock) -> None:
    limits = Limits(Timetable(None, until_s=100, now=clock), start_s=15, kept_free_s=60)
    assert limits.can_repeat(40)
    assert not limits.can_repeat(41)
