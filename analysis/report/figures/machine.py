"""The machine's own speed over the run, and the trials that it disturbed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analysis.report.figures.style import MUTED, SETTINGS
from analysis.report.summary import Summary
from analysis.validity.trials import TrialResult
from loadtests.records.disturbance import PROBE_RATIO

_DISTURBED = "#D55E00"
_LEAST_SHOWN_PERCENT = 70.0
"""The axis reaches at least so far down: a core that keeps its speed must look like it."""


@dataclass(frozen=True)
class _Probed:
    at_s: float
    probe_ms: float
    disturbed: bool


def machine_figure(summary: Summary) -> Figure | None:
    """A mark a trial: the speed of the server's core before it, against the run's median.

    None where no trial has a probe.
    """
    probed = _probed(summary.trials)
    if not probed:
        return None
    usual_ms = median(each.probe_ms for each in probed)
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(5.6, 2.5))
        axes = figure.add_axes((0.12, 0.22, 0.66, 0.64))
        axes.set_title("Speed of the server's core", pad=7)
        axes.set_xlabel("time since the first trial (minutes)", fontsize=10)
        axes.set_ylabel("of its median (%)", fontsize=10)
        axes.axhline(100 / PROBE_RATIO, color=MUTED, ls="--", lw=1.2)
        _beside(axes, 100 / PROBE_RATIO, "bound", MUTED)
        _draw(axes, [each for each in probed if not each.disturbed], usual_ms, ".", MUTED)
        disturbed = [each for each in probed if each.disturbed]
        _draw(axes, disturbed, usual_ms, "x", _DISTURBED)
        if disturbed:
            _beside(axes, 97, f"× disturbed:\n{len(disturbed)} of {len(probed)}", _DISTURBED)
        axes.set_ylim(bottom=min(_LEAST_SHOWN_PERCENT, axes.get_ylim()[0]))
        axes.set_xlim(left=0)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(MaxNLocator(5))
    return figure


def _probed(trials: Sequence[TrialResult]) -> list[_Probed]:
    """The trials that say when they began and how fast the core was, in the order of time."""
    found = []
    for trial in trials:
        at_s = _seconds(trial.started_at)
        if at_s is not None and trial.machine and trial.machine.probe_ms:
            found.append(_Probed(at_s, trial.machine.probe_ms, trial.disturbed))
    first_s = min((each.at_s for each in found), default=0.0)
    placed = [_Probed(each.at_s - first_s, each.probe_ms, each.disturbed) for each in found]
    return sorted(placed, key=lambda each: each.at_s)


def _seconds(moment: str) -> float | None:
    try:
        return datetime.fromisoformat(moment).timestamp()
    except (ValueError, OverflowError):
        return None


def _draw(axes: Axes, probed: Sequence[_Probed], usual_ms: float, marker: str, color: str) -> None:
    at_minutes = [each.at_s / 60 for each in probed]
    speed = [100 * usual_ms / each.probe_ms for each in probed]
    axes.plot(at_minutes, speed, marker, color=color, markeredgewidth=1.6, clip_on=False)


def _beside(axes: Axes, height: float, text: str, color: str) -> None:
    """Words to the right of the axes; the height is a speed."""
    place = axes.get_yaxis_transform()
    axes.annotate(text, (1.03, height), xycoords=place, va="center", color=color, fontsize=10)
