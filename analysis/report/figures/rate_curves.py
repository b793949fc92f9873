"""Figures against the arrival rate: throughput and utilisation, and what such figures share."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from math import log

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator

from analysis.capacity.load_points import Point
from analysis.report.figures.style import MUTED, PAGE, SETTINGS, EndLabel, label_ends, look
from analysis.report.summary import Summary

WIDTH_INCHES = 6.2
RIGHT_MARGIN = 0.66
"""Share of the width that the axes may use; the rest holds the labels at the line ends."""

MOST_TICKS = 6
"""Rates that fit below an axis one by one, evenly spread; more get ticks at round numbers."""

FAR = 1.6
"""Ratio of two arrival rates above which no line joins them: more than two steps of the coarsest
grid that the shipped experiments search (1.25)."""

Value = Callable[[Point], float | None]


def throughput_figure(summary: Summary) -> Figure:
    """Throughput by arrival rate, with the line on which a server keeps up."""
    rates = rates_of(summary)
    with mpl.rc_context(SETTINGS):
        figure, [axes] = panels(["Answered by arrival rate"])
        axes.set_ylabel("answered (requests/s)", fontsize=10)
        axes.plot(rates, rates, color=MUTED, ls="--", lw=1.2, zorder=0)
        ends = _lines(axes, summary, lambda p: p.metrics.throughput_rps if p.metrics else None)
        if wide(rates):
            axes.set_yscale("log")
        rate_axis(axes, rates)
        if wide(rates):
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        else:
            axes.set_ylim(bottom=0)
        label_ends(axes, ends)
    return figure


def utilisation_figure(summary: Summary) -> Figure:
    """Server CPU by arrival rate; where there is a GPU, its time-busy and its SM active instead."""
    shown = {title: value for title, value in _GPU.items() if _known(summary, value)} or _CPU
    with mpl.rc_context(SETTINGS):
        figure, all_axes = panels([f"{title} by arrival rate" for title in shown])
        for axes, (title, value) in zip(all_axes, shown.items(), strict=True):
            axes.set_ylabel(f"{title} (%)", fontsize=10)
            ends = _lines(axes, summary, value)
            rate_axis(axes, rates_of(summary))
            axes.set_ylim(0, max(100.0, axes.get_ylim()[1]))
            label_ends(axes, ends)
    return figure


def open_points(summary: Summary) -> dict[str, list[Point]]:
    """The points of each contender that have an arrival rate, rates ascending."""
    found: dict[str, list[Point]] = {}
    for point in sorted(summary.points, key=lambda p: p.rate_rps or 0.0):
        if point.rate_rps is not None:
            found.setdefault(point.contender, []).append(point)
    order = summary.manifest.experiment.contenders
    return dict(sorted(found.items(), key=lambda item: order.index(item[0])))


def rates_of(summary: Summary) -> list[float]:
    """Every arrival rate of the points, ascending."""
    return sorted({point.rate_rps for point in summary.points if point.rate_rps is not None})


def rate_axis(axes: Axes, rates: Sequence[float]) -> None:
    """Ticks of an axis of arrival rates: the rates themselves where they fit."""
    low, high = rates[0], rates[-1]
    if wide(rates):
        axes.set_xscale("log")
        axes.set_xlim(low / (high / low) ** 0.05, high * (high / low) ** 0.05)
    else:
        pad = 0.05 * (high - low) or 0.1 * low
        axes.set_xlim(low - pad, high + pad)
    axes.minorticks_off()
    if _fit(rates):
        axes.set_xticks(rates, [f"{rate:g}" for rate in rates])
    else:
        axes.xaxis.set_major_locator(
            LogLocator(subs=(1, 2, 5)) if wide(rates) else MaxNLocator(MOST_TICKS)
        )
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set_xlabel("arrival rate (requests/s)", fontsize=10)


def segments(points: Sequence[Point], value: Value) -> list[list[Point]]:
    """The usable points that have a value, cut where a tested rate between them has none, or where
    two are so far apart that what lies between was not tested: a line there would say what nobody
    measured. points: of one contender, rates ascending."""
    runs: list[list[Point]] = [[]]
    for point in points:
        if not point.usable or value(point) is None:
            runs.append([])
            continue
        before = runs[-1][-1].rate_rps if runs[-1] else None
        if before and (point.rate_rps or 0.0) > FAR * before:
            runs.append([])
        runs[-1].append(point)
    return [run for run in runs if run]


def xy(points: Sequence[Point], value: Value) -> tuple[list[float], list[float]]:
    """Arrival rates and values of the points that have both."""
    pairs = [(point.rate_rps, value(point)) for point in points]
    known = [(x, y) for x, y in pairs if x is not None and y is not None]
    return [x for x, _ in known], [y for _, y in known]


def _percent(field: str) -> Value:
    def value(point: Point) -> float | None:
        ratio = getattr(point.metrics, field, None)
        return None if ratio is None else ratio * 100

    return value


_CPU = {"Server CPU used": _percent("server_cpu_utilisation")}
_GPU = {
    "GPU time busy": _percent("gpu_busy_ratio"),
    "GPU SM active": _percent("gpu_sm_active_ratio"),
}


def _known(summary: Summary, value: Value) -> bool:
    return any(value(point) is not None for point in summary.points)


def mark_unused(axes: Axes, points: Sequence[Point], value: Value, color: str) -> None:
    """Crosses where points were measured that may not be used."""
    unused = [point for point in points if not point.usable]
    axes.plot(*xy(unused, value), ls="", marker="x", color=color, alpha=0.7, clip_on=False)


def panels(titles: Sequence[str]) -> tuple[Figure, list[Axes]]:
    """Axes above each other, with room for labels to the right of the line ends."""
    n = len(titles)
    figure = Figure(figsize=(WIDTH_INCHES, (4.5 if n < 3 else 3.3) * n))
    found = figure.subplots(n, 1, squeeze=False)[:, 0]
    edge = 0.1 / n
    figure.subplots_adjust(
        left=0.15,
        right=RIGHT_MARGIN,
        top=1 - edge,
        bottom=1.2 * edge,
        hspace=0.4,
    )
    for axes, title in zip(found, titles, strict=True):
        axes.set_title(title, x=-0.2, pad=10)
    return figure, list(found)


def _lines(axes: Axes, summary: Summary, value: Value) -> list[EndLabel]:
    """Draws a line a contender, saturated points hollow, unused ones as crosses; returns the
    labels of the line ends."""
    ends = []
    for name, points in open_points(summary).items():
        style = look(name)
        mark_unused(axes, points, value, style.color)
        xs, ys = xy([p for p in points if p.usable], value)
        if not xs:
            continue
        for run in segments(points, value):
            axes.plot(*xy(run, value), color=style.color)
        for filled in (True, False):
            some = [p for p in points if p.usable and p.saturated is not filled]
            axes.plot(
                *xy(some, value),
                ls="",
                marker=style.marker,
                color=style.color,
                markerfacecolor=style.color if filled else PAGE,
                clip_on=False,
            )
        ends.append(EndLabel(name, xs[-1], ys[-1], style.color, style.marker))
    if not ends:
        say(axes, "no valid point")
    return ends


def say(axes: Axes, text: str, fontsize: float = 11) -> None:
    """Words in an axes that has nothing else to show."""
    axes.annotate(text, (0.5, 0.6), xycoords="axes fraction", ha="center", fontsize=fontsize)


def _fit(rates: Sequence[float]) -> bool:
    """Whether the rates may be written below an axis one by one without touching."""
    places = [log(rate) if wide(rates) else rate for rate in rates]
    least = 0.8 * (places[-1] - places[0]) / MOST_TICKS
    return len(rates) <= MOST_TICKS and all(b - a >= least for a, b in pairwise(places))


def wide(rates: Sequence[float]) -> bool:
    """Whether an axis of these rates is logarithmic."""
    return max(rates) >= 8 * min(rates)
