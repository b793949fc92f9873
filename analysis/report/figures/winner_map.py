"""Who is the cheapest over arrival rates and bounds: measured cells solid, predicted hatched."""

import io
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from string import ascii_uppercase
from textwrap import wrap

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter

from analysis.predict.values import PredictError
from analysis.predict.winner_map import WinnerCell, WinnerMap
from analysis.report.figures.style import INK, MUTED, PAGE, SETTINGS, look, to_svg
from analysis.report.planning import Planned
from analysis.report.words.plan import cpu
from loadtests.records.atomic import replacing

SUFFIXES = (".svg", ".png")
SIMULATED = "simulated"
_CELLS_A_CHARACTER, _CELLS_AROUND = 0.45, 1.0
"""How many cells side by side a name takes: narrower regions bear a letter."""
_X_TICKS, _Y_TICKS = (10, 30, 100, 300, 1000, 3000, 10_000), (5, 10, 20, 50, 100, 200, 500)

Cells = Sequence[Sequence[WinnerCell]]
Place = tuple[int, int]
"""Row, by bound, and column, by rate."""


def figure_suffix(path: Path) -> str:
    """PredictError for a file that is neither SVG nor PNG."""
    if path.suffix.lower() not in SUFFIXES:
        raise PredictError(
            f"expected a figure that ends with .svg or .png, found {str(path)!r}: correct --figure."
        )
    return path.suffix.lower()


def figure_path(path: Path, simulated: bool) -> Path:
    """Where the map is written: what is simulated has the word in its name."""
    named = not simulated or SIMULATED in path.stem
    return path if named else path.with_name(f"{path.stem}-{SIMULATED}{path.suffix}")


def write_winner_map(found: WinnerMap, planned: Planned, path: Path) -> None:
    """As SVG or PNG, by the suffix; both on white."""
    figure = winner_map_figure(found, planned.device or cpu(planned), planned.run_id)
    with replacing(path) as unfinished, mpl.rc_context(SETTINGS):
        if figure_suffix(path) == ".svg":
            unfinished.write_text(standalone_svg(figure), encoding="utf-8")
        else:
            image = io.BytesIO()
            figure.savefig(image, format="png", dpi=160, facecolor="white")
            unfinished.write_bytes(image.getvalue())


def standalone_svg(figure: Figure, name: str = "winner-map") -> str:
    """A file of its own, in the colours of the reader's light or dark mode."""
    style = (
        "<style>:root{color:#131211;--page:#fefefd;background:#fefefd}@media screen and "
        "(prefers-color-scheme:dark){:root{color:#e8e6e3;--page:#181a1b;background:#181a1b}}</style>"
    )
    svg = to_svg(figure, name)
    head, rest = svg.split(">", 1)
    return f"{head}>{style}{rest}"


def winner_map_figure(found: WinnerMap, device: str, run_id: str) -> Figure:
    """Rate from left to right, bound from below; each region bears its winner's name or letter."""
    with mpl.rc_context({**SETTINGS, "hatch.linewidth": 0.9}):
        figure = Figure(figsize=(9.0, 5.6))
        axes = figure.subplots()
        figure.subplots_adjust(left=0.09, right=0.76, top=0.84, bottom=0.12)
        title = f"Cheapest contender that meets its P{found.percentile:g}"
        axes.set_title(title, pad=34)
        about = "\n".join(wrap(f"{device}; server costs: {run_id}", 86)[:2])
        axes.annotate(
            about, (0, 1.015), xycoords="axes fraction", fontsize=8.5, va="bottom", color=MUTED
        )
        _fill(axes, found)
        _outline(axes, found)
        letters = _letters(found.cells)
        _name_regions(axes, found, letters)
        _key(axes, found, letters)
        _scales(axes, found)
    return figure


def _fill(axes: Axes, found: WinnerMap) -> None:
    x, y = _edges(found.rates_rps), _edges(found.bounds_ms)
    for row, cells in enumerate(found.cells):
        start = 0
        for (winner, measured), same in groupby(cells, lambda c: (c.winner, c.measured)):
            end = start + len(list(same))
            if winner:
                corner, size = (x[start], y[row]), (x[end] - x[start], y[row + 1] - y[row])
                for patch in _patches(look(winner).color, measured, corner, *size):
                    axes.add_patch(patch)
            start = end


def _patches(
    color: str, solid: bool, corner: tuple[float, float], width: float, height: float
) -> list[Rectangle]:
    """A fill, and over it hatching where it is not solid: in one patch, SVG would fade both."""
    fill = Rectangle(
        corner, width, height, fc=to_rgba(color, 0.6 if solid else 0.12), lw=0, aa=False, zorder=1
    )
    if solid:
        return [fill]
    hatching = Rectangle(corner, width, height, fc="none", ec=color, hatch="////", lw=0, zorder=1)
    return [fill, hatching]


def _outline(axes: Axes, found: WinnerMap) -> None:
    """Lines where the winner changes; thin ones where measured meets predicted."""
    x, y = _edges(found.rates_rps), _edges(found.bounds_ms)
    n_rows, n_columns = len(found.cells), len(found.rates_rps)
    for row, column in np.ndindex(n_rows, n_columns):
        here = found.cells[row][column]
        sides = []
        if column + 1 < n_columns:
            ends = ([x[column + 1]] * 2, [y[row], y[row + 1]])
            sides.append((found.cells[row][column + 1], ends))
        if row + 1 < n_rows:
            ends = ([x[column], x[column + 1]], [y[row + 1]] * 2)
            sides.append((found.cells[row + 1][column], ends))
        for other, (xs, ys) in sides:
            if here.winner != other.winner:
                axes.plot(xs, ys, color=INK, lw=1.3, zorder=3, solid_capstyle="projecting")
            elif here.measured != other.measured:
                axes.plot(xs, ys, color=MUTED, lw=0.8, zorder=2)


def _letters(cells: Cells) -> dict[str, str]:
    """A letter for each winner, in the order in which they appear from the left and the top."""
    columns = zip(*reversed(cells), strict=True)
    names = dict.fromkeys(cell.winner for column in columns for cell in column if cell.winner)
    return dict(zip(names, ascii_uppercase, strict=False))


def _name_regions(axes: Axes, found: WinnerMap, letters: dict[str, str]) -> None:
    for winner, places in regions(found.cells):
        name = winner or "nobody meets it"
        row, first, last = _widest(places)
        named = last - first + 1 >= _CELLS_A_CHARACTER * len(name) + _CELLS_AROUND
        if not named:
            row, first = _middle(places)
            last = first
        if not named and winner is None:
            continue
        rate_rps = (found.rates_rps[first] * found.rates_rps[last]) ** 0.5
        axes.annotate(
            name if named else letters[name],
            (rate_rps, found.bounds_ms[row]),
            ha="center",
            va="center",
            fontsize=9 if named else 7.5,
            fontweight="bold" if named else "normal",
            bbox={"boxstyle": "round,pad=0.15", "fc": PAGE, "ec": "none"},
            zorder=4,
        )


def regions(cells: Cells) -> Iterator[tuple[str | None, list[Place]]]:
    """Cells that touch by their sides, of one winner, all measured or all predicted."""
    left = {(row, column) for row, each in enumerate(cells) for column in range(len(each))}
    while left:
        start = min(left)
        first = cells[start[0]][start[1]]
        found, waiting = [], [start]
        left.discard(start)
        while waiting:
            row, column = waiting.pop()
            found.append((row, column))
            beside = {(row + 1, column), (row - 1, column), (row, column + 1), (row, column - 1)}
            same = {p for p in beside & left if _same(cells[p[0]][p[1]], first)}
            waiting += sorted(same)
            left -= same
        yield first.winner, found


def _same(cell: WinnerCell, other: WinnerCell) -> bool:
    return (cell.winner, cell.measured) == (other.winner, other.measured)


def _widest(places: Sequence[Place]) -> tuple[int, int, int]:
    """The row with the most cells side by side, nearest to the centre, with the first and the last
    of them."""
    inside = set(places)
    centre = sum(row for row, _ in places) / len(places)
    runs = []
    for row, first in places:
        if (row, first - 1) not in inside:
            last = first
            while (row, last + 1) in inside:
                last += 1
            runs.append((row, first, last))
    return max(runs, key=lambda run: (run[2] - run[1], -abs(run[0] - centre), run))


def _middle(places: Sequence[Place]) -> Place:
    """The cell of a region that is nearest to its centre."""
    row, column = (sum(place[k] for place in places) / len(places) for k in (0, 1))
    return min(places, key=lambda p: (2 * (p[0] - row) ** 2 + (p[1] - column) ** 2, p))


def _key(axes: Axes, found: WinnerMap, letters: dict[str, str]) -> None:
    """Letters and names right of the map, then what solid and hatched mean."""
    height = 0.97
    for name, letter in letters.items():
        _swatch(axes, look(name).color, False, height)
        text = f"{letter}  {name}"
        axes.annotate(text, (1.085, height), xycoords="axes fraction", va="center", fontsize=9.5)
        height -= 0.065
    height -= 0.04
    solid = any(cell.measured for row in found.cells for cell in row)
    for measured, text in ((True, "measured"), (False, "predicted")):
        if measured and not solid:
            continue
        _swatch(axes, MUTED, measured, height)
        axes.annotate(text, (1.085, height), xycoords="axes fraction", va="center", fontsize=9.5)
        height -= 0.065
    note = "Of several at the same cost\nthe simplest is named."
    axes.annotate(note, (1.02, height - 0.05), xycoords="axes fraction", fontsize=8.5, color=MUTED)


def _swatch(axes: Axes, color: str, solid: bool, height: float) -> None:
    for patch in _patches(color, solid, (1.02, height - 0.022), 0.05, 0.044):
        patch.set(transform=axes.transAxes, clip_on=False)
        axes.add_artist(patch)


def _scales(axes: Axes, found: WinnerMap) -> None:
    x, y = _edges(found.rates_rps), _edges(found.bounds_ms)
    axes.set(xscale="log", yscale="log", xlim=(x[0], x[-1]), ylim=(y[0], y[-1]))
    plain = FuncFormatter(lambda value, _: f"{value:,.0f}")
    for axis, ticks in ((axes.xaxis, _X_TICKS), (axes.yaxis, _Y_TICKS)):
        axis.set_ticks(ticks)
        axis.set_ticks([], minor=True)
        axis.set_major_formatter(plain)
    axes.grid(visible=False)
    axes.set_xlabel("arrival rate (requests/s)", fontsize=10)
    axes.set_ylabel(f"P{found.percentile:g} at most (ms)", fontsize=10)


def _edges(centres: Sequence[float]) -> list[float]:
    """Bounds of cells whose centres are given, on a logarithmic scale."""
    logs = np.log(centres)
    between = (logs[1:] + logs[:-1]) / 2
    first, last = 2 * logs[0] - between[0], 2 * logs[-1] - between[-1]
    return [float(each) for each in np.exp([first, *between, last])]
