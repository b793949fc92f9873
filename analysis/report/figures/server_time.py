"""Where the time of a request goes: one bar a contender that says it, at one arrival rate."""

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from analysis.report.figures.intervals import beside, name_rows, stack
from analysis.report.figures.style import SETTINGS
from analysis.report.summary import Summary
from analysis.report.tables import timed_points
from analysis.report.words.numbers import number, rate
from analysis.steady.server_time import ServerTime

PARTS = {
    "outside_ms": ("outside Triton", "#B3B6BC"),
    "tokenise_queue_ms": ("queue of the tokeniser", "#F0C27A"),
    "tokenise_ms": ("tokeniser", "#E69F00"),
    "queue_ms": ("queue of the network", "#8FC1E8"),
    "network_ms": ("network", "#2F7FC1"),
    "other_ms": ("other, in Triton", "#CC79A7"),
}


def server_time_figure(summary: Summary) -> Figure | None:
    """None where no contender says where its time goes at the common rate."""
    timed = {point.contender: point for point in timed_points(summary)}
    if not timed:
        return None
    with mpl.rc_context(SETTINGS):
        figure, [axes] = stack([len(timed) + 2.2], right=0.86)
        point = next(iter(timed.values()))
        axes.set_title(f"Mean latency by part, at {rate(point.rate_rps)}", x=-0.31, pad=7)
        axes.set_xlabel("ms", fontsize=10)
        name_rows(axes, list(timed))
        axes.set_ylim(len(timed) - 0.45, -2.6)
        for row, point in enumerate(timed.values()):
            if point.metrics and point.metrics.server_time:
                _draw(axes, row, point.metrics.server_time)
                beside(axes, row, f"{number(point.metrics.latency_mean_ms)} ms")
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.set_xlim(left=0)
        handles = [Patch(color=color, label=label) for label, color in PARTS.values()]
        axes.legend(handles=handles, ncols=2, loc="upper left", frameon=False, fontsize=9)
    return figure


def _draw(axes: Axes, row: int, spent: ServerTime) -> None:
    at_ms = 0.0
    for field, (_, color) in PARTS.items():
        # Steps of an ensemble overlap: its rest can lie a little below zero.
        length_ms = max(getattr(spent, field) or 0.0, 0.0)
        axes.barh(row, length_ms, left=at_ms, height=0.56, color=color)
        at_ms += length_ms
