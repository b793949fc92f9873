"""The coordinated-omission gap: latency from the scheduled time beside that from sending."""

from collections.abc import Sequence
from math import ceil

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator

from analysis.curves import open_points, rate_axis, rates_of, xy
from analysis.figure_style import MUTED, PAGE, SETTINGS, look
from analysis.points import Point
from analysis.summary import Summary


def omission_figure(summary: Summary) -> Figure | None:
    """One panel a contender: P99 from the scheduled time, P99 from sending, and what lies between.

    None where no usable point states a P99.
    """
    stated = {name: _stated(points) for name, points in open_points(summary).items()}
    shown = {name: points for name, points in stated.items() if points}
    if not shown:
        return None
    n_rows = ceil(len(shown) / 2)
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(5.6, 1.55 * n_rows + 1.0))
        cells = figure.subplots(n_rows, 2, sharex=True, sharey=True, squeeze=False).flatten()
        height = figure.get_figheight()
        figure.subplots_adjust(
            left=0.1, right=0.98, top=1 - 0.85 / height, bottom=0.3 / height, hspace=0.36
        )
        for axes in cells[len(shown) :]:
            axes.set_visible(False)
        for axes, (name, points) in zip(cells, shown.items(), strict=False):
            axes.set_yscale("log")
            _panel(axes, name, points)
            rate_axis(axes, rates_of(summary), most=4)
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.minorticks_off()
            axes.tick_params(labelsize=9, labelbottom=True)
        title = "P99 (ms) by arrival rate (requests/s), counted from"
        figure.text(0.01, 1 - 0.1 / height, title, fontweight="bold", fontsize=11.5, va="top")
        figure.legend(
            handles=[_key(3, "-", "the scheduled time"), _key(6.5, "--", "sending")],
            loc="upper left",
            bbox_to_anchor=(0.0, 1 - 0.25 / height),
            ncols=2,
            frameon=False,
            fontsize=10,
        )
    return figure


def _panel(axes: Axes, name: str, points: Sequence[Point]) -> None:
    style = look(name)
    xs, due_ms = xy(points, lambda p: p.metrics.latency_p99_ms if p.metrics else None)
    _, sent_ms = xy(points, lambda p: p.metrics.service_time_p99_ms if p.metrics else None)
    axes.fill_between(xs, sent_ms, due_ms, color=style.color, alpha=0.25, lw=0)
    # A ring around a dot, so that both show where they lie on each other.
    axes.plot(xs, sent_ms, color=style.color, marker="o", ls="--", lw=1.2, markerfacecolor=PAGE)
    axes.plot(xs, due_ms, color=style.color, marker="o", markersize=3)
    axes.set_title(name, fontsize=10, color=style.color, pad=3)


def _stated(points: Sequence[Point]) -> list[Point]:
    return [
        point
        for point in points
        if point.stated_p99_ms is not None
        and point.metrics
        and point.metrics.service_time_p99_ms is not None
    ]


def _key(size: float, line: str, text: str) -> Line2D:
    face = PAGE if line == "--" else MUTED
    return Line2D(
        *([], []),
        color=MUTED,
        marker="o",
        markersize=size,
        ls=line,
        markerfacecolor=face,
        label=text,
    )
