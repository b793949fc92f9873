"""The figure of the ablation: what each change did, each bar beginning where the last one ended."""

from collections.abc import Callable, Sequence

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.compare.bootstrap import Metric
from analysis.compare.ratios import Step
from analysis.compare.verdicts import Verdict
from analysis.report.figures.intervals import beside, name_rows, stack
from analysis.report.figures.style import MUTED, SETTINGS, look
from analysis.report.summary import Summary
from analysis.report.words.answer import capacity_verdict
from analysis.report.words.codes import said
from analysis.report.words.numbers import times

Ends = tuple[float | None, float | None, float | None, Verdict | None]
"""A step's ratio, the two ends of its interval, and its verdict."""


def _capacity(step: Step) -> Ends:
    return step.capacity_ratio, step.capacity_low, step.capacity_high, capacity_verdict(step)


def _metric(metric: Metric) -> Callable[[Step], Ends]:
    def ends(step: Step) -> Ends:
        found = step.of(metric)
        return (found.ratio, found.low, found.high, found.verdict) if found else (None,) * 4

    return ends


PANELS: dict[str, tuple[str, Callable[[Step], Ends]]] = {
    "Capacity": ("more is better →", _capacity),
    "P50 latency": ("← less is better", _metric(Metric.P50)),
    "Server CPU a request": ("← less is better", _metric(Metric.CPU)),
}


def waterfall_figure(summary: Summary) -> Figure | None:
    """One panel a figure, one row a stage of the ablation; None without any step."""
    steps = summary.ablation
    shown = {title: p for title, p in PANELS.items() if any(p[1](step)[0] for step in steps)}
    if not shown:
        return None
    with mpl.rc_context(SETTINGS):
        figure, all_axes = stack([len(steps) + 1] * len(shown), right=0.66)
        for axes, (title, (better, ends)) in zip(all_axes, shown.items(), strict=True):
            axes.set_title(f"{title}, times {steps[0].before}   ({better})", x=-0.55, pad=7)
            axes.set_xscale("log")
            _panel(axes, steps, ends)
        all_axes[-1].set_xlabel(f"times {steps[0].before}", fontsize=10)
    return figure


def _panel(axes: Axes, steps: Sequence[Step], ends: Callable[[Step], Ends]) -> None:
    at, reached = 1.0, [1.0]
    axes.axvline(1, color=MUTED, lw=1)
    for row, step in enumerate(steps, start=1):
        ratio, low, high, verdict = ends(step)
        change = " + ".join(map(said, step.changes))
        if ratio is None:
            beside(axes, row, f"{change}: not known")
            continue
        shown = verdict in (Verdict.BETTER, Verdict.WORSE)
        color = look(step.after).color
        axes.plot(
            [at, at * ratio],
            [row, row],
            color=color,
            lw=9,
            solid_capstyle="butt",
            alpha=0.85 if shown else 0.35,
        )
        axes.plot(at * ratio, row, "|", color=color, markersize=10, markeredgewidth=2.2)
        axes.plot([at, at], [row - 1, row], color=MUTED, lw=0.8, ls=":")
        if low and high:
            axes.plot([at * low, at * high], [row, row], color=MUTED, lw=1.4)
            reached += [at * low, at * high]
        at *= ratio
        reached.append(at)
        beside(axes, row, f"{change} {times(ratio)}")
    axes.plot(1, 0, "|", color=look(steps[0].before).color, markersize=11, markeredgewidth=3)
    beside(axes, 0, "start")
    axes.set_xlim(min(reached) / 1.25, max(reached) * 1.25)
    name_rows(axes, [steps[0].before, *(step.after for step in steps)])
