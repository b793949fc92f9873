"""Goodput against offered load up to and beyond capacity: one small plot a contender."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.capacity.load_points import Point
from analysis.overload.beyond import BeyondCapacity, Load, Outcome
from analysis.overload.points import OverloadPoint
from analysis.report.figures.style import MUTED, PAGE, SETTINGS, Look, look, spread
from analysis.report.summary import Summary
from analysis.report.words.numbers import plain
from analysis.steady.metrics import Metrics

WIDEST_GAP = 0.6
"""Multiples of capacity between two loads up to which a line joins them; between loads further
apart nobody has measured."""

MOST_HALVES = 3.6
"""Multiples of capacity up to which halves fit below a plot."""

_N_COLUMNS, _ROW_INCHES, _TOP_INCHES, _BOTTOM_INCHES = 2, 2.35, 0.42, 0.62
_LABEL_GAP = 0.14

Value = Callable[[Metrics], float]


@dataclass(frozen=True)
class _Panel:
    """What one plot shows: loads in multiples of capacity, by offered load."""

    beyond: BeyondCapacity
    capacity_rps: float
    points: Sequence[Point]
    overloads: Sequence[OverloadPoint]

    def multiple(self, load: Load) -> float:
        return load.metrics.offered_rps / self.capacity_rps if load.metrics else 0.0

    @property
    def loads(self) -> list[Load]:
        return [*self.points, *self.overloads]

    @property
    def widest(self) -> float:
        return max((self.multiple(load) for load in self.loads), default=1.0)

    @property
    def highest(self) -> float:
        most = [load.metrics.throughput_rps for load in self.loads if load.metrics]
        return max(most, default=1.0) / self.capacity_rps


def overload_figure(summary: Summary) -> Figure | None:
    """None where nothing was measured beyond the capacity of any contender."""
    panels = _panels(summary)
    if not panels:
        return None
    n_rows = ceil(len(panels) / _N_COLUMNS)
    height = _ROW_INCHES * n_rows
    right = 1.08 * max(1.0, *(panel.widest for panel in panels))
    top = 1.1 * max(1.0, *(panel.highest for panel in panels))
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(7.4, height))
        grid = figure.subplots(n_rows, _N_COLUMNS, squeeze=False)
        figure.subplots_adjust(
            **{"left": 0.085, "right": 0.89, "wspace": 0.55, "hspace": 0.72},
            top=1 - _TOP_INCHES / height,
            bottom=_BOTTOM_INCHES / height,
        )
        for axes, panel in zip(grid.flat, panels, strict=False):
            _draw(axes, panel, right, top)
        for axes in grid.flat[len(panels) :]:
            axes.set_axis_off()
    return figure


def joined(loads: Sequence[Load], multiple: Callable[[Load], float]) -> list[list[Load]]:
    """The usable ones in runs that a line may join, loads ascending: cut at a load that may not be
    used, and where nothing was measured over more than WIDEST_GAP."""
    runs: list[list[Load]] = [[]]
    for load in sorted((load for load in loads if load.metrics), key=multiple):
        far = bool(runs[-1]) and multiple(load) - multiple(runs[-1][-1]) > WIDEST_GAP
        if far or not load.usable:
            runs.append([])
        if load.usable:
            runs[-1].append(load)
    return [run for run in runs if run]


def _panels(summary: Summary) -> list[_Panel]:
    return [
        _Panel(
            beyond,
            beyond.capacity_rps,
            [p for p in summary.points if p.contender == beyond.contender and p.rate_rps],
            [o for o in summary.overloads if o.contender == beyond.contender],
        )
        for beyond in summary.beyond_capacity
        if beyond.outcome is not Outcome.NOT_TRIED and beyond.capacity_rps
    ]


def _draw(axes: Axes, panel: _Panel, right: float, top: float) -> None:
    style = look(panel.beyond.contender)
    axes.set_title(panel.beyond.contender, color=style.color, x=-0.12, fontsize=10.5)
    axes.plot([0, 1, right], [0, 1, 1], color=MUTED, ls="--", lw=1.2, zorder=0)
    _lines(axes, panel, _answered, style, faint=True)
    _lines(axes, panel, _in_time, style, faint=False)
    for overload in panel.overloads:
        ends = (overload.goodput_range.low, overload.goodput_range.high)
        axes.plot(
            [panel.multiple(overload)] * 2,
            [end / panel.capacity_rps for end in ends],
            color=style.color,
            lw=1.2,
        )
    for point in panel.points:
        if point.metrics and not point.usable:
            y = point.metrics.goodput_rps / panel.capacity_rps
            axes.plot(panel.multiple(point), y, "x", color=style.color, ms=5, alpha=0.7)
    _scale(axes, panel, right, top)
    last = max((load for load in panel.loads if load.usable and load.metrics), key=panel.multiple)
    assert last.metrics is not None
    heights = {
        "ideal": 1.0,
        "answered": _answered(last.metrics) / panel.capacity_rps,
        "in time": _in_time(last.metrics) / panel.capacity_rps,
    }
    _label_ends(axes, {name: y / top for name, y in heights.items()}, style)


def _lines(axes: Axes, panel: _Panel, value: Value, style: Look, faint: bool) -> None:
    """Answers in time filled and thick, all answers hollow and thin; overloads larger than others.

    The two kinds are no one line: an overload begins with nothing waiting."""
    for loads, size in ((panel.points, 4.0), (panel.overloads, 6.0)):
        for run in joined(loads, panel.multiple):
            axes.plot(
                [panel.multiple(load) for load in run],
                [value(load.metrics) / panel.capacity_rps for load in run if load.metrics],
                color=style.color,
                lw=1.0 if faint else 2.0,
                marker=style.marker,
                ms=size,
                markerfacecolor=PAGE if faint else style.color,
                markeredgewidth=0.9,
                zorder=2 if faint else 3,
                clip_on=False,
            )


def _answered(metrics: Metrics) -> float:
    return metrics.throughput_rps


def _in_time(metrics: Metrics) -> float:
    return metrics.goodput_rps


def _scale(axes: Axes, panel: _Panel, right: float, top: float) -> None:
    """Equal multiples of capacity are equally long in every plot; ticks name the rates."""
    step = 0.5 if right < MOST_HALVES else ceil(right / 6)
    multiples = [step * k for k in range(int(right / step) + 1)]
    axes.set_xlim(0, right)
    axes.set_ylim(0, top)
    axes.set_xticks(
        multiples, [f"{m:g}×\n{plain(round(m * panel.capacity_rps))}" for m in multiples]
    )
    axes.set_yticks(
        [m for m in multiples if m <= top],
        [plain(round(m * panel.capacity_rps)) for m in multiples if m <= top],
    )
    axes.tick_params(labelsize=8.5)
    axes.set_xlabel("offered (× capacity; requests/s)", fontsize=8.5)
    axes.set_ylabel("requests/s", fontsize=8.5)


def _label_ends(axes: Axes, heights: Mapping[str, float], style: Look) -> None:
    """Words right of the plot, about as high as their lines end; heights: shares of the plot's."""
    placed = spread(list(heights.values()), _LABEL_GAP)
    shift = max(0.0, -min(placed)) or min(0.0, 1 - max(placed))
    for name, height in zip(heights, placed, strict=True):
        axes.annotate(
            name,
            (1.03, height + shift),
            xycoords="axes fraction",
            va="center",
            fontsize=8.5,
            fontweight="bold" if name == "in time" else "normal",
            color=MUTED if name == "ideal" else style.color,
            annotation_clip=False,
        )
