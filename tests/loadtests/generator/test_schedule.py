"""Schedules: Poisson, seeded, and the same for everybody."""

import numpy as np
import pytest

from loadtests.generator.schedule import open_schedule
from loadtests.records.arrivals import Poisson


def test_the_same_seed_gives_the_same_arrivals_and_texts() -> None:
    first, again = (open_schedule(Poisson(), 100, 10, 50, (1, 2, 3)) for _ in range(2))
    assert first.digest == again.digest


def test_another_repeat_gives_other_arrivals() -> None:
    first, other = (open_schedule(Poisson(), 100, 10, 50, (1, repeat, 3)) for repeat in (1, 2))
    assert first.digest != other.digest


def test_arrivals_are_ascending_and_within_the_duration() -> None:
    times = open_schedule(Poisson(), 200, 5, 50, (7,)).times_s
    assert np.all(np.diff(times) >= 0)
    assert times[0] >= 0
    assert times[-1] < 5


def test_gaps_are_exponential_with_the_asked_rate() -> None:
    gaps = np.diff(open_schedule(Poisson(), 100, 1000, 50, (11,)).times_s)
    assert gaps.mean() == pytest.approx(0.01, rel=0.02)
    # An exponential's standard deviation equals its mean; constant gaps would give 0.
    assert gaps.std() / gaps.mean() == pytest.approx(1.0, rel=0.03)


def test_the_last_arrivals_are_not_cut_off() -> None:
    longest_silence = max(
        5 - open_schedule(Poisson(), 400, 5, 50, (s,)).times_s[-1] for s in range(200)
    )
    assert longest_silence < 0.05


def test_every_text_can_be_drawn_and_none_beyond() -> None:
    texts = open_schedule(Poisson(), 1000, 10, 20, (5,)).text_ids
    assert set(texts.tolist()) == set(range(20))
