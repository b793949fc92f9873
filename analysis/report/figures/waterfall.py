"""The figure of the ablation: what each change did, each bar beginning where the last one ended."""

from collections.abc import Callable, Sequence

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.compare.intervals import Metric
from analysis.compare.ratios import Step
from analysis.compare.verdicts import Verdict
from analysis.report.figures.intervals import beside, name_rows, stack
from analysis.report.figures.style import MUTED, SETTINGS, look
from analysis.report.summary import Summary
from analysis.report.words.codes import said
from analysis.report.words.numbers import times

Ends = tuple[float | None, float | None, float | None, Verdict | None]
"""A step's ratio, the two ends of its interval, and its verdict."""


def _capacity(step: Step) -> Ends:
    found = step.capacity
    return found.ratio, found.low, found.high, found.verdict


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
    steps = _drawn(summary.ablation)
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
    start = steps[0].before
    reached, row_of, shown = {start: 1.0}, {start: 0}, [1.0]
    axes.axvline(1, color=MUTED, lw=1)
    for row, step in enumerate(steps, start=1):
        ratio, low, high, verdict = ends(step)
        change, at = " + ".join(map(said, step.changes)), reached[step.before]
        reached[step.after], row_of[step.after] = at * (ratio or 1.0), row
        if ratio is None:
            beside(axes, row, f"{change}: not known")
            continue
        end, color = at * ratio, look(step.after).color
        strong = 0.85 if verdict in (Verdict.BETTER, Verdict.WORSE) else 0.35
        axes.plot([at, end], [row, row], color=color, lw=9, solid_capstyle="butt", alpha=strong)
        axes.plot(end, row, "|", color=color, markersize=10, markeredgewidth=2.2)
        axes.plot([at, at], [row_of[step.before], row], color=MUTED, lw=0.8, ls=":")
        if low and high:
            axes.plot([at * low, at * high], [row, row], color=MUTED, lw=1.4)
        shown += [end, *(at * bound for bound in (low, high) if bound)]
        beside(axes, row, f"{change} {times(ratio)}")
    axes.plot(1, 0, "|", color=look(start).color, markersize=11, markeredgewidth=3)
    beside(axes, 0, "start")
    axes.set_xlim(min(shown) / 1.25, max(shown) * 1.25)
    name_rows(axes, [start, *(step.after for step in steps)])


def _drawn(steps: Sequence[Step]) -> list[Step]:
    """The steps that begin at a contender which is there already, and end at a new one; a pair that
    stands apart is in the table."""
    found: list[Step] = []
    for step in steps:
        there = {found[0].before, *(each.after for each in found)} if found else {step.before}
        if step.before in there and step.after not in there:
            found.append(step)
    return found
