"""Figures of intervals: what each contender sustains, and its ratios to the reference."""

from collections.abc import Sequence

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from analysis.capacity.certified import Capacity
from analysis.compare.intervals import Metric
from analysis.compare.ratios import Comparison
from analysis.compare.verdicts import Ratio
from analysis.report.figures.style import MUTED, PAGE, SETTINGS, look
from analysis.report.summary import Summary
from analysis.report.tables import by_level, capacities_by_slo
from analysis.report.words.codes import said
from analysis.report.words.decision import objective
from analysis.report.words.numbers import rate, times

ROW_INCHES = 0.3
_LEFT = 0.28
_OUTSIDE = 1.03
"""Where words begin to the right of an axes, as a share of its width."""


def capacity_figure(summary: Summary) -> Figure | None:
    """One panel an SLO: what each contender is certified at, and its capacity with its interval.

    None where no capacity was looked for, or no contender has any.
    """
    panels = capacities_by_slo(summary.capacities)
    known = [end for c in summary.capacities for end in _rates(c)]
    if not known:
        return None
    with mpl.rc_context(SETTINGS):
        figure, all_axes = stack([len(panel.capacities) for panel in panels], right=0.8)
        for axes, panel in zip(all_axes, panels, strict=True):
            axes.set_title(objective(panel.slo), x=-0.39, pad=7, fontsize=10.5)
            axes.set_xscale("log")
            axes.set_xlim(min(known) / 1.25, max(known) * 1.4)
            name_rows(axes, [c.contender for c in panel.capacities])
            for row, capacity in enumerate(panel.capacities):
                _capacity(axes, row, capacity)
        all_axes[-1].set_xlabel("arrival rate (requests/s)", fontsize=10)
    return figure


def forest_figure(summary: Summary) -> Figure | None:
    """One panel an arrival rate: P99 over the reference's, and the band of no material difference.

    None where no ratio of P99 has an interval.
    """
    found = [_drawable(same) for same in by_level(summary.comparison).values()]
    panels = [rows for rows in found if any(ratio.low for _, ratio in rows)]
    ends = [end for rows in panels for _, r in rows for end in (r.low, r.high) if end]
    if not ends:
        return None
    reference = summary.manifest.experiment.reference
    with mpl.rc_context(SETTINGS):
        figure, all_axes = stack([len(rows) for rows in panels], right=0.6)
        for i, (axes, rows) in enumerate(zip(all_axes, panels, strict=True)):
            start = f"P99 latency over that of {reference} at " if i == 0 else "at "
            axes.set_title(start + rate(rows[0][0].rate_rps), x=-0.63, pad=7)
            axes.set_xscale("log")
            axes.set_xlim(min([*ends, 0.9]) / 1.15, max([*ends, 1.1]) * 1.15)
            margin = max(ratio.margin for _, ratio in rows)
            axes.axvspan(1 / (1 + margin), 1 + margin, color=MUTED, alpha=0.25, lw=0)
            axes.axvline(1, color=MUTED, lw=1)
            name_rows(axes, [comparison.contender for comparison, _ in rows])
            for row, (comparison, ratio) in enumerate(rows):
                _ratio(axes, row, comparison.contender, ratio)
        all_axes[-1].set_xlabel("ratio   (← faster · slower →)", fontsize=10)
    return figure


def stack(n_rows: Sequence[float], right: float) -> tuple[Figure, list[Axes]]:
    """Axes above each other, each as high as its rows need."""
    heights = [ROW_INCHES * n + 0.1 for n in n_rows]
    total = sum(heights) + 0.72 * len(heights) + 0.15
    figure = Figure(figsize=(6.2, total))
    top, found = total, []
    for height in heights:
        top -= 0.36
        box = (_LEFT, (top - height) / total, right - _LEFT, height / total)
        found.append(figure.add_axes(box))
        top -= height + 0.36
    return figure, found


def name_rows(axes: Axes, names: Sequence[str]) -> None:
    """Names at the rows of an axes, from the top, and round numbers below it."""
    axes.set_ylim(len(names) - 0.45, -0.55)
    axes.set_yticks(range(len(names)), names, fontweight="bold", fontsize=10)
    for label, name in zip(axes.get_yticklabels(), names, strict=True):
        label.set_color(look(name).color)
    axes.tick_params(axis="y", length=0, pad=9)
    axes.grid(visible=False, axis="y")
    axes.spines["left"].set_visible(False)
    axes.minorticks_off()
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")


def _capacity(axes: Axes, row: int, capacity: Capacity) -> None:
    style, estimate = look(capacity.contender), capacity.estimate
    if estimate:
        _span(axes, row, estimate.low_rps, estimate.high_rps, style.color)
        if estimate.rps is not None:
            axes.plot(estimate.rps, row, "|", color=style.color, markersize=13, markeredgewidth=2.6)
    else:
        _span(axes, row, capacity.certified_rps, capacity.not_met_rps, style.color)
    for rate_rps, marker, face in (
        (capacity.not_met_rps, "x", style.color),
        (capacity.met_rps, "o", PAGE),
        (capacity.certified_rps, "o", style.color),
    ):
        if rate_rps is not None:
            axes.plot(rate_rps, row, marker, color=style.color, markerfacecolor=face)
    certified_rps = capacity.certified_rps
    beside(axes, row, rate(certified_rps) if certified_rps else "not certified")


def _ratio(axes: Axes, row: int, contender: str, ratio: Ratio) -> None:
    style = look(contender)
    if ratio.low is not None and ratio.high is not None:
        _span(axes, row, ratio.low, ratio.high, style.color)
    if ratio.ratio is not None:
        axes.plot(ratio.ratio, row, "o", color=style.color)
    beside(axes, row, f"{times(ratio.ratio)} {said(ratio.verdict)}")


def _span(axes: Axes, row: int, low: float | None, high: float | None, color: str) -> None:
    """A bar from low to high; an open end goes to the edge of the axes and ends in an arrow."""
    if low is None and high is None:
        return
    left, right = axes.get_xlim()
    start, end = left if low is None else low, right if high is None else high
    axes.plot([start, end], [row, row], color=color, lw=2.4, solid_capstyle="butt", alpha=0.75)
    for known, edge, marker in ((low, left, "<"), (high, right, ">")):
        if known is None:
            axes.plot(edge, row, marker, color=color, clip_on=False, markersize=7)


def beside(axes: Axes, row: int, text: str) -> None:
    """Words to the right of a row."""
    axes.annotate(
        text, (_OUTSIDE, row), xycoords=axes.get_yaxis_transform(), va="center", fontsize=10
    )


def _rates(capacity: Capacity) -> list[float]:
    ends = (
        *(capacity.certified_rps, capacity.met_rps, capacity.not_met_rps),
        *(capacity.estimate_low_rps, capacity.estimate_high_rps),
    )
    return [end for end in ends if end]


def _drawable(comparisons: Sequence[Comparison]) -> list[tuple[Comparison, Ratio]]:
    pairs = [(comparison, comparison.of(Metric.P99)) for comparison in comparisons]
    return [(comparison, ratio) for comparison, ratio in pairs if ratio is not None]
