"""P99 as it was predicted before the run, against P99 as the run measured it."""

from collections.abc import Sequence

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from analysis.predict.compared import ForetoldPoint
from analysis.predict.goals import P99_GOALS
from analysis.report.figures.rate_curves import panels
from analysis.report.figures.style import MUTED, PAGE, SETTINGS, look
from analysis.report.summary import Summary


def predicted_figure(summary: Summary) -> Figure | None:
    """One marker a point, hollow where there is no goal. None where no P99 is known twice."""
    found = [] if summary.foretold is None else list(filter(_both, summary.foretold.points))
    if not found:
        return None
    values = [ms for point in found for ms in (point.p99_ms, point.predicted_p99_ms) if ms]
    ends = [min(values) / 1.3, max(values) * 1.3]
    with mpl.rc_context(SETTINGS):
        figure, [axes] = panels(["P99 latency, predicted and measured"])
        axes.plot(ends, ends, color=MUTED, lw=1.2, zorder=0)
        widest = max(goal for _, goal in P99_GOALS)
        low, high = ([end * factor for end in ends] for factor in (1 - widest, 1 + widest))
        axes.fill_between(ends, low, high, color=MUTED, alpha=0.15, lw=0, zorder=0)
        for name in dict.fromkeys(point.contender for point in found):
            _draw(axes, name, [point for point in found if point.contender == name])
        axes.set(xscale="log", yscale="log", xlim=ends, ylim=ends)
        axes.minorticks_off()
        for axis, side in ((axes.xaxis, "measured"), (axes.yaxis, "predicted")):
            axis.set_label_text(f"P99 {side} (ms)", fontsize=10)
            axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.legend(loc="upper left", bbox_to_anchor=(1.02, 1), frameon=False, fontsize=9.5)
    return figure


def _draw(axes: Axes, name: str, points: Sequence[ForetoldPoint]) -> None:
    style = look(name)
    for judged in (True, False):
        some = [point for point in points if (point.within_goals is not None) is judged]
        axes.plot(
            [point.p99_ms or 0.0 for point in some],
            [point.predicted_p99_ms or 0.0 for point in some],
            ls="",
            marker=style.marker,
            color=style.color,
            markerfacecolor=style.color if judged else PAGE,
            label=name if judged else None,
        )


def _both(point: ForetoldPoint) -> bool:
    return point.p99_error is not None
