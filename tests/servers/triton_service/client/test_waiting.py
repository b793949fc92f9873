"""Deadlines, and pauses between attempts."""

import pytest

from servers.triton_service.client.errors import UsageError
from servers.triton_service.client.waiting import Deadline, Retry


def test_pauses_double_up_to_the_longest_and_end_after_the_last_attempt() -> None:
    retry = Retry(attempts=5, first_pause_s=0.1, longest_pause_s=0.3)
    pauses_s = [retry.pause_s(n, draw=lambda: 1.0) for n in range(1, 6)]
    assert pauses_s == pytest.approx([0.1, 0.2, 0.3, 0.3, None])


def test_pauses_are_drawn_from_the_upper_half() -> None:
    assert Retry(first_pause_s=0.1).pause_s(1, draw=lambda: 0.0) == pytest.approx(0.05)


def test_a_deadline_counts_from_its_start_and_never_asks_for_no_time() -> None:
    assert 59 < Deadline.starting_now(60).left_s() <= 60
    assert Deadline(60, end_s=0.0).left_s() == 0.001


@pytest.mark.parametrize("within_s", [0, -1, float("nan")])
def test_a_deadline_of_no_time_is_refused(within_s: float) -> None:
    with pytest.raises(UsageError, match=f"expected a deadline above 0 s, found {within_s:g} s: "):
        Deadline.starting_now(within_s)
