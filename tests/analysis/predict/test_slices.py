"""Measured slices as schedules, and predictions beside them."""

from types import SimpleNamespace

import pandas as pd

from analysis.predict.slices import schedule_of
from analysis.predict.values import Traffic

TRAFFIC = Traffic((10, 40), (0.5, 0.5))


def slice_of(*rows):
    columns = ["scheduled_s", "n_tokens", "phase"]
    return SimpleNamespace(requests=pd.DataFrame(rows, columns=columns))


def test_a_schedule_begins_with_its_first_request_in_order_of_the_due_times():
    found = schedule_of(slice_of((1.5, 10, "steady"), (1.0, 40, "warm-up")), TRAFFIC)
    assert list(found.arrived_s) == [0.0, 0.5]
    assert list(found.numbers) == [1, 0]
    assert list(found.counted) == [False, True]


def test_a_length_that_the_traffic_lacks_becomes_the_nearest():
    found = schedule_of(slice_of((0, 8, "steady"), (1, 27, "steady"), (2, 90, "steady")), TRAFFIC)
    assert list(found.numbers) == [0, 1, 1]


def test_a_request_of_unknown_length_is_left_out():
    found = schedule_of(slice_of((0, None, "steady"), (1, 10, "steady")), TRAFFIC)
    assert len(found.arrived_s) == len(found.numbers) == len(found.counted) == 1
