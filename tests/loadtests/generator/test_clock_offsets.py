"""What is known of the clock of another process from messages that went both ways."""

import pytest

from loadtests.generator.clock_offsets import RoundTrip, clock_offset, shift_s
from loadtests.records.trials import ClockOffset


def trip(offset_s: float, there_s: float, back_s: float) -> RoundTrip:
    return RoundTrip(10.0, 10.0 + there_s + offset_s, 10.0 + there_s + back_s)


def test_the_quickest_of_several_round_trips_tells_the_offset() -> None:
    trips = [trip(5.0, 0.2, 0.01), trip(5.0, 0.001, 0.001), trip(5.0, 0.01, 0.3)]
    assert clock_offset(trips) == ClockOffset(pytest.approx(5.0), pytest.approx(0.001))


@pytest.mark.parametrize("there_s", [0.0, 0.001, 0.004])
def test_the_offset_is_within_the_uncertainty_however_the_ways_share_the_time(
    there_s: float,
) -> None:
    found = clock_offset([trip(-3.0, there_s, 0.004 - there_s)])
    assert abs(found.offset_s + 3.0) <= found.uncertainty_s + 1e-9
    assert shift_s(found) == found.offset_s


@pytest.mark.parametrize("there_s", [0.0, 0.001, 0.004])
def test_processes_that_share_a_clock_are_told_the_same_time(there_s: float) -> None:
    assert shift_s(clock_offset([trip(0.0, there_s + 1e-9, 0.004 - there_s + 1e-9)])) == 0.0
