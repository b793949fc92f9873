"""How far the clock of a load worker is ahead of the leader's, from messages that go both ways."""

from collections.abc import Sequence
from dataclasses import dataclass

from loadtests.records.trials import ClockOffset


@dataclass(frozen=True)
class RoundTrip:
    """When the leader asked and heard the answer, on its clock; what the worker's said."""

    asked_s: float
    answer_s: float
    heard_s: float

    @property
    def length_s(self) -> float:
        return self.heard_s - self.asked_s


def clock_offset(trips: Sequence[RoundTrip]) -> ClockOffset:
    """From the quickest: however its two ways shared the time, the offset is within half of it."""
    best = min(trips, key=lambda trip: trip.length_s)
    middle_s = (best.asked_s + best.heard_s) / 2
    return ClockOffset(best.answer_s - middle_s, best.length_s / 2)


def shift_s(offset: ClockOffset) -> float:
    """What to add to a time of the leader's. Processes of one host share a clock, which is seen by
    an offset that may be none: what is added to it then would only be the error."""
    return offset.offset_s if abs(offset.offset_s) > offset.uncertainty_s else 0.0
