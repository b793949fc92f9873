"""The coordinated-omission gap: how much of P99 counting from the time of sending would hide."""

from collections.abc import Sequence

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analysis.capacity.load_points import Point
from analysis.report.figures.intervals import beside, name_rows, stack
from analysis.report.figures.rate_curves import open_points
from analysis.report.figures.style import SETTINGS, look
from analysis.report.summary import Summary
from analysis.report.words.numbers import percent, rate

_LEAST_AXIS_PERCENT = 10.0
"""The axis reaches at least so far: gaps that do not matter must not fill it."""


def omission_figure(summary: Summary) -> Figure | None:
    """A row a contender, a dot a rate: the share of P99 from the scheduled time that is missing
    when one counts from sending.

    None where no usable point states both.
    """
    stated = {name: _hidden(points) for name, points in open_points(summary).items()}
    shown = {name: found for name, found in stated.items() if found}
    if not shown:
        return None
    most = max(share for found in shown.values() for _, share in found)
    with mpl.rc_context(SETTINGS):
        figure, [axes] = stack([len(shown)], right=0.72)
        title = f"Counting from sending would hide at most {percent(most)} of P99"
        axes.set_title(title, x=-0.47, pad=7)
        name_rows(axes, list(shown))
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.set_xlim(0, max(_LEAST_AXIS_PERCENT, 115 * most))
        for row, (name, found) in enumerate(shown.items()):
            _draw(axes, row, name, found)
        axes.set_xlabel("share of P99 hidden at each rate (%)", fontsize=10)
    return figure


def _draw(axes: Axes, row: int, name: str, found: Sequence[tuple[float, float]]) -> None:
    style = look(name)
    shares = [100 * share for _, share in found]
    axes.plot(
        shares, [row] * len(shares), style.marker, color=style.color, alpha=0.8, clip_on=False
    )
    rate_rps, share = max(found, key=lambda each: each[1])
    beside(axes, row, f"{percent(share)} at {rate(rate_rps)}")


def _hidden(points: Sequence[Point]) -> list[tuple[float, float]]:
    """Rate and hidden share of each point that states a P99 counted in both ways."""
    found = []
    for point in points:
        due_ms, metrics = point.stated_p99_ms, point.metrics
        sent_ms = metrics.service_time_p99_ms if metrics else None
        if point.rate_rps is not None and due_ms and sent_ms is not None:
            found.append((point.rate_rps, 1 - sent_ms / due_ms))
    return found
