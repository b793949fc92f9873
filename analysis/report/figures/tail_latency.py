"""The first figure of a report: the tail of latency by arrival rate, its SLO, and up to which rate
each contender is certified."""

from collections.abc import Mapping, Sequence

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from analysis.capacity.certified import Capacity
from analysis.capacity.load_points import Point
from analysis.report.figures.rate_curves import (
    RIGHT_MARGIN,
    WIDTH_INCHES,
    mark_unused,
    open_points,
    rate_axis,
    rates_of,
    say,
    segments,
    xy,
)
from analysis.report.figures.style import MUTED, PAGE, SETTINGS, EndLabel, label_ends, look
from analysis.report.summary import Summary
from analysis.validity.reasons import Reason

ROW_INCHES = 0.22
PLOT_INCHES = 3.4
AROUND_INCHES = 0.95
APART = 1.2
"""Least ratio of two neighbouring rates that are drawn."""


def latency_figure(summary: Summary) -> Figure:
    """Latency at the SLO's percentile by arrival rate; above it, a row a contender: the rate up to
    which it is certified, and the lowest that was not met."""
    slo = summary.manifest.experiment.slo
    missed_rps = {c.contender: c.not_met_rps for c in summary.capacities if c.slo == slo}
    by_name = {
        name: sparse(points, missed_rps.get(name)) for name, points in open_points(summary).items()
    }
    known = [c for c in summary.capacities if c.slo == slo and c.contender in by_name]
    strip_inches = ROW_INCHES * (len(known) + 0.6)
    total = AROUND_INCHES + strip_inches + PLOT_INCHES
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(WIDTH_INCHES, total))
        strip, axes = figure.subplots(
            2, 1, sharex=True, height_ratios=[strip_inches, PLOT_INCHES], gridspec_kw={"hspace": 0}
        )
        bottom, top = 0.52 / total, 1 - 0.36 / total
        figure.subplots_adjust(left=0.13, right=RIGHT_MARGIN, top=top, bottom=bottom)
        strip.set_title(
            f"P{slo.percentile:g} latency by arrival rate, and rates certified", x=-0.17, pad=8
        )
        axes.set_ylabel(f"P{slo.percentile:g} latency (ms)", fontsize=10)
        axes.set_yscale("log")
        all_points = [point for points in by_name.values() for point in points]
        stated_ms = [ms for p in all_points for ms in (_latency_ms(p), *interval_ms(p)) if ms]
        shown_ms = [slo.latency_ms, *stated_ms]
        axes.set_ylim(0.8 * min(shown_ms), 1.6 * max(shown_ms))
        ends = _lines(axes, by_name)
        axes.axhline(slo.latency_ms, color=MUTED, ls="--", lw=1.2)
        rate_axis(axes, rates_of(summary))
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        right_edge = axes.get_xlim()[1]
        ends.append(EndLabel(f"SLO {slo.latency_ms:g} ms", right_edge, slo.latency_ms, MUTED))
        _certified_rows(strip, known)
        if not any(point.usable and _latency_ms(point) for point in all_points):
            say(axes, f"no valid point states a P{slo.percentile:g}")
        label_ends(axes, ends)
    return figure


def _lines(axes: Axes, by_name: Mapping[str, Sequence[Point]]) -> list[EndLabel]:
    """A line through neighbouring rates; filled where the point is certified, with its interval."""
    ends = []
    for name, points in by_name.items():
        style = look(name)
        mark_unused(axes, points, _latency_ms, style.color)
        for run in segments(points, _latency_ms):
            axes.plot(*xy(run, _latency_ms), color=style.color)
        stated = [p for p in points if p.usable and _latency_ms(p) is not None]
        for point in stated:
            ends_ms = interval_ms(point)
            if ends_ms and point.rate_rps:
                axes.plot([point.rate_rps] * 2, ends_ms, color=style.color, lw=1.2, alpha=0.8)
            elif Reason.SLICES_TOO_SHORT in point.reasons and point.rate_rps:
                _arrow_up(axes, point.rate_rps, _latency_ms(point) or 0.0, style.color)
        for certified in (True, False):
            some = [point for point in stated if point.certified is certified]
            axes.plot(
                *xy(some, _latency_ms),
                ls="",
                marker=style.marker,
                color=style.color,
                markerfacecolor=style.color if certified else PAGE,
                clip_on=False,
            )
        if stated:
            xs, ys = xy(stated, _latency_ms)
            ends.append(EndLabel(name, xs[-1], ys[-1], style.color, style.marker))
    return ends


def _arrow_up(axes: Axes, rate_rps: float, at_least_ms: float, color: str) -> None:
    """The true value lies at or above this one."""
    axes.annotate(
        "",
        (rate_rps, at_least_ms),
        xytext=(0, 17),
        textcoords="offset points",
        arrowprops={"arrowstyle": "<|-", "color": color, "lw": 1.2, "shrinkA": 0, "shrinkB": 3},
    )


def _certified_rows(strip: Axes, capacities: Sequence[Capacity]) -> None:
    """A row a contender, those that sustain most on top: certified up to the dot, not met from the
    cross on."""
    strip.grid(visible=False, axis="y")
    strip.tick_params(bottom=False, labelbottom=False, left=False, labelleft=False)
    strip.spines[["left", "bottom"]].set_visible(False)
    strip.set_ylim(-0.8, max(len(capacities), 1) - 0.4)
    left = strip.get_xlim()[0]
    for row, capacity in enumerate(sorted(capacities, key=lambda c: c.certified_rps or 0.0)):
        style, certified = look(capacity.contender), capacity.certified_rps
        if certified:
            strip.plot([left, certified], [row, row], color=style.color, lw=2.4, alpha=0.75)
            strip.plot(certified, row, style.marker, color=style.color)
        if capacity.not_met_rps:
            strip.plot(capacity.not_met_rps, row, "x", color=style.color)
        strip.annotate(
            f"{capacity.contender} {certified:g}" if certified else f"{capacity.contender} none",
            (1.02, row),
            xycoords=strip.get_yaxis_transform(),
            va="center",
            color=style.color,
            fontweight="bold",
            fontsize=9.5,
            annotation_clip=False,
        )


def sparse(points: Sequence[Point], missed_rps: float | None) -> list[Point]:
    """Those up to the lowest rate not met, and of rates nearer than APART the one with the most
    requests: a search on a fine grid leaves dozens, each of few requests."""
    inside = [p for p in points if missed_rps is None or (p.rate_rps or 0.0) <= missed_rps]
    kept: list[Point] = []
    for point in sorted(inside, key=lambda p: -(p.metrics.n_ok if p.metrics and p.usable else 0)):
        rate_rps = point.rate_rps or 0.0
        if all(
            max(rate_rps, r) >= APART * min(rate_rps, r) for r in (p.rate_rps or 0.0 for p in kept)
        ):
            kept.append(point)
    return sorted(kept, key=lambda p: p.rate_rps or 0.0)


def _latency_ms(point: Point) -> float | None:
    return point.metrics.latency_slo_ms if point.metrics else None


def interval_ms(point: Point) -> list[float]:
    """The ends of the interval of P99, where it is known and the SLO's percentile is P99."""
    ends = (getattr(point, "p99_low_ms", None), getattr(point, "p99_high_ms", None))
    is_p99 = point.metrics and point.metrics.latency_slo_ms == point.metrics.latency_p99_ms
    return [end for end in ends if end] if is_p99 and point.usable and all(ends) else []
