"""How much the running totals of telemetry.parquet grew."""

import numpy as np
import pandas as pd

from loadtests.records.percentiles import FloatArray


def values_of(telemetry: pd.DataFrame, column: str) -> FloatArray:
    """The values of a column, NaN where one is not known, as in a column that is not there."""
    if column not in telemetry:
        return np.full(len(telemetry), np.nan)
    values: FloatArray = telemetry[column].to_numpy(dtype=float, na_value=np.nan)
    return values


def growth(telemetry: pd.DataFrame, column: str, edges_s: FloatArray) -> FloatArray | None:
    """Growth of a running total between successive edges, interpolated; None: not measured.

    Before the first and after the last sample nothing is known, and nothing grows.
    """
    values = values_of(telemetry, column)
    known = ~np.isnan(values)
    if known.sum() < 2:
        return None
    return np.diff(np.interp(edges_s, values_of(telemetry, "t_s")[known], values[known]))


def growth_per_s(
    telemetry: pd.DataFrame, column: str, start_s: float, end_s: float
) -> float | None:
    """Growth in a second, over what samples cover of a window; None: not measured there."""
    known_s = values_of(telemetry, "t_s")[~np.isnan(values_of(telemetry, column))]
    if len(known_s) < 2:
        return None
    first_s, last_s = max(start_s, known_s[0]), min(end_s, known_s[-1])
    grown = growth(telemetry, column, np.array([first_s, last_s]))
    return float(grown[0] / (last_s - first_s)) if grown is not None and last_s > first_s else None


def growth_within(
    telemetry: pd.DataFrame, column: str, start_s: float, end_s: float
) -> float | None:
    """Growth over a window, scaled up from what samples cover of it; None: not measured there."""
    per_s = growth_per_s(telemetry, column, start_s, end_s)
    return None if per_s is None else per_s * (end_s - start_s)
