"""The winner map as a figure. Nothing here was measured."""

from pathlib import Path

import numpy as np
import pytest

from analysis.predict.values import PredictError
from analysis.predict.winner_map import WinnerCell, WinnerMap
from analysis.report.figures.winner_map import (
    figure_path,
    figure_suffix,
    regions,
    standalone_svg,
    winner_map_figure,
)

RATES = tuple(float(rate) for rate in np.geomspace(10, 10_000, 30))


def drawn(*rows: str, measured: range = range(0)) -> WinnerMap:
    """A letter a cell, bounds from below: f, t or a dot for nobody."""
    names = {"f": "fastapi", "t": "triton", ".": None}
    bounds = tuple(5.0 * 2**k for k in range(len(rows)))
    cells = tuple(
        tuple(
            WinnerCell(rate, bound, names[letter], measured=column in measured)
            for column, (rate, letter) in enumerate(zip(RATES, row, strict=True))
        )
        for bound, row in zip(bounds, rows, strict=True)
    )
    return WinnerMap(99.0, RATES, bounds, cells)


HALVES = "f" * 15 + "t" * 15
MAP = drawn("." * 30, HALVES, HALVES, measured=range(5, 10))


def test_regions_are_cells_of_one_winner_and_one_kind_that_touch() -> None:
    found = {}
    for winner, places in regions(MAP.cells):
        found.setdefault(winner, []).append(len(places))
    assert sorted(found["fastapi"]) == [10, 10, 10]  # predicted, measured, predicted
    assert found["triton"] == [30]


def test_what_is_predicted_is_hatched_and_what_was_measured_is_not() -> None:
    figure = winner_map_figure(MAP, "a card", "a-run")
    patches = [patch for patch in figure.axes[0].patches if patch.get_clip_on()]  # not the key
    hatched = [patch for patch in patches if patch.get_hatch()]
    fills = [patch for patch in patches if not patch.get_hatch()]
    assert len(hatched) == 2 * 3  # in each of two rows: left and right of the measured, and triton
    assert len(fills) == 2 * 4  # nothing where nobody meets the bound


def words(found: WinnerMap) -> list[str]:
    return [each.get_text() for each in winner_map_figure(found, "a card", "a-run").axes[0].texts]


def test_a_wide_region_bears_the_name_and_a_narrow_one_the_letter() -> None:
    found = words(drawn(*["f" * 28 + "tt"] * 2))
    assert "fastapi" in found
    assert "triton" not in found
    assert {"B", "B  triton"} <= set(found)


def test_where_nobody_meets_the_bound_that_is_said() -> None:
    assert "nobody meets it" in words(MAP)


def test_solid_is_explained_only_where_something_was_measured() -> None:
    assert {"measured", "predicted"} <= set(words(MAP))
    assert "measured" not in words(drawn(HALVES, HALVES))


def test_the_device_stands_in_the_figure_and_colours_follow_the_page() -> None:
    svg = standalone_svg(winner_map_figure(MAP, "simulated device: a card", "a-run"))
    assert "simulated device: a card" in svg
    assert "prefers-color-scheme:dark" in svg
    assert "#131211" not in svg.replace("color:#131211", "")


def test_the_name_of_a_simulated_map_has_the_word() -> None:
    assert figure_path(Path("a/map.svg"), simulated=True) == Path("a/map-simulated.svg")
    assert figure_path(Path("a/simulated.svg"), simulated=True) == Path("a/simulated.svg")
    assert figure_path(Path("a/map.svg"), simulated=False) == Path("a/map.svg")


def test_another_kind_of_file_is_refused() -> None:
    assert figure_suffix(Path("map.PNG")) == ".png"
    with pytest.raises(PredictError, match=r"ends with \.svg or \.png, found 'map'"):
        figure_suffix(Path("map"))
