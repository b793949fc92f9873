"""How much a running total of the telemetry grew."""

import numpy as np
import pandas as pd
import pytest

from loadtests.records.running_totals import growth, growth_within


def samples(t_s: list[float], cpu_s: list[float]) -> pd.DataFrame:
    return pd.DataFrame({"t_s": t_s, "server_cpu_s": cpu_s})


def test_growth_is_interpolated_between_samples() -> None:
    found = growth(samples([0, 1, 2], [0, 1, 4]), "server_cpu_s", np.array([0.5, 1.5, 2.0]))
    assert found == pytest.approx([2.0, 1.5])


def test_growth_within_a_window_counts_what_samples_around_its_ends_say() -> None:
    around = samples([-1, 1, 3, 9], [0, 2, 3, 9])
    assert growth_within(around, "server_cpu_s", 0.0, 4.0) == pytest.approx(3.0)


def test_growth_is_scaled_up_from_the_part_of_the_window_that_samples_cover() -> None:
    begun_late = samples([1, 2, 4], [5, 6, 8])
    assert growth_within(begun_late, "server_cpu_s", 0.0, 4.0) == pytest.approx(4.0)


def test_growth_is_not_known_where_samples_have_no_value() -> None:
    ended = samples([0, 1, 2], [0.1, np.nan, np.nan])
    assert growth_within(ended, "server_cpu_s", 0.0, 1.0) is None
    assert growth_within(ended, "load_cpu_s", 0.0, 1.0) is None
