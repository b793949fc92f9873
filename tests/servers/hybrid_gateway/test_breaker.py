"""When Triton is left alone, and when it is asked again; the clock is this test's."""

from servers.hybrid_gateway.breaker import Breaker


def opened_at(now_s: float) -> Breaker:
    breaker = Breaker(3, open_s=10.0)
    for _ in range(3):
        breaker.failed(now_s)
    return breaker


def test_fewer_failures_in_a_row_leave_it_closed() -> None:
    breaker = Breaker(3, open_s=10.0)
    for _ in range(5):
        breaker.failed(0.0)
        breaker.failed(0.0)
        breaker.answered()
    assert not breaker.is_open
    assert breaker.wait_s(0.0) == 0.0


def test_failures_in_a_row_open_it_for_a_time() -> None:
    breaker = opened_at(100.0)
    assert breaker.is_open
    assert breaker.wait_s(100.0) == 10.0
    assert breaker.wait_s(109.0) == 1.0


def test_then_one_request_goes_through_and_the_others_wait_for_how_it_ends() -> None:
    breaker = opened_at(100.0)
    assert breaker.wait_s(110.0) == 0.0
    assert breaker.wait_s(110.5) == 9.5


def test_an_answer_closes_it() -> None:
    breaker = opened_at(100.0)
    breaker.wait_s(110.0)
    breaker.answered()
    assert not breaker.is_open
    assert breaker.wait_s(110.0) == 0.0


def test_a_trial_that_fails_leaves_it_open_as_long_again() -> None:
    breaker = opened_at(100.0)
    breaker.wait_s(110.0)
    breaker.failed(111.0)
    assert breaker.is_open
    assert breaker.wait_s(112.0) == 8.0


def test_a_trial_of_which_nobody_hears_is_followed_by_another() -> None:
    """Its caller may have gone away."""
    breaker = opened_at(100.0)
    assert breaker.wait_s(110.0) == 0.0
    assert breaker.wait_s(120.0) == 0.0


def test_changes_are_told_once() -> None:
    told: list[bool] = []
    breaker = Breaker(2, 10.0, told.append)
    for _ in range(4):
        breaker.failed(0.0)
    breaker.answered()
    breaker.answered()
    assert told == [True, False]
