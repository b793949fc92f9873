"""The figure of tail latency: where each contender leaves the SLO, and where it saturates."""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import log

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from analysis.capacity.certified import Judgement
from analysis.capacity.load_points import Point
from analysis.report.figures.rate_curves import (
    RIGHT_MARGIN,
    mark_unused,
    open_points,
    rate_axis,
    rates_of,
    say,
    segments,
    wide,
    xy,
)
from analysis.report.figures.style import MUTED, PAGE, SETTINGS, EndLabel, label_ends, look
from analysis.report.summary import Summary


def latency_figure(summary: Summary) -> Figure:
    """Latency at the SLO's percentile by arrival rate; above it, where each contender stopped
    keeping up."""
    by_name = open_points(summary)
    firsts = {name: _first_saturated(points) for name, points in by_name.items()}
    stopped = {name: point for name, point in firsts.items() if point is not None}
    slo = summary.manifest.experiment.slo
    strip_inches = 0.22 * max(len(stopped), 1) + 0.1
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(5.6, 4.2 + strip_inches))
        strip, axes = figure.subplots(
            2, 1, sharex=True, height_ratios=[strip_inches, 3.4], gridspec_kw={"hspace": 0.04}
        )
        figure.subplots_adjust(left=0.15, right=RIGHT_MARGIN, top=0.91, bottom=0.12)
        title = f"P{slo.percentile:g} latency by arrival rate"
        axes.set_ylabel(f"P{slo.percentile:g} latency (ms)", fontsize=10)
        strip.set_title(title, x=-0.2, pad=8)
        axes.set_yscale("log")
        all_points = [point for points in by_name.values() for point in points]
        stated_ms = [ms for point in all_points if (ms := _latency_ms(point)) is not None]
        top_ms = 1.6 * max([slo.latency_ms, *stated_ms])
        axes.set_ylim(0.8 * min([slo.latency_ms, *stated_ms]), top_ms)
        ends = _latency_lines(axes, by_name, stopped, _known(summary))
        axes.axhline(slo.latency_ms, color=MUTED, ls="--", lw=1.2)
        rate_axis(axes, rates_of(summary))
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        right_edge = axes.get_xlim()[1]
        ends.append(EndLabel(f"SLO {slo.latency_ms:g} ms", right_edge, slo.latency_ms, MUTED))
        _draw_strip(strip, axes, stopped)
        if not any(point.usable and _latency_ms(point) for point in all_points):
            say(axes, f"no valid point states a P{slo.percentile:g}")
        label_ends(axes, ends)
    return figure


def _latency_lines(
    axes: Axes, by_name: Mapping[str, Sequence[Point]], stopped: Container[str], found: "_Known"
) -> list[EndLabel]:
    ends = []
    for name, points in by_name.items():
        style = look(name)
        mark_unused(axes, points, _latency_ms, style.color)
        runs = segments(points, _latency_ms)
        ends_of_runs = [(before[-1], after[0]) for before, after in pairwise(runs)]
        for pairs, dashes in (
            ([pair for run in runs for pair in pairwise(run)], "-"),
            (ends_of_runs, ":"),
        ):
            for pair in pairs:
                if found.agrees(name, *pair):
                    axes.plot(*xy(pair, _latency_ms), color=style.color, ls=dashes)
        xs, ys = xy([point for run in runs for point in run], _latency_ms)
        axes.plot(xs, ys, ls="", color=style.color, marker=style.marker, clip_on=False)
        if xs and name not in stopped:
            ends.append(EndLabel(name, xs[-1], ys[-1], style.color, style.marker))
    return ends


@dataclass(frozen=True)
class _Known:
    """What is known of the SLO between points that state a percentile: by contender, whether it is
    met at a rate. log_rates: how the axis of rates is drawn."""

    met: Mapping[str, Mapping[float, bool]]
    slo_ms: float
    log_rates: bool

    def agrees(self, name: str, before: Point, after: Point) -> bool:
        """Whether a straight line from one point to another is on the right side of the SLO at
        every rate of which that is known."""
        (x0, x1), (y0, y1) = xy((before, after), _latency_ms)
        place = log if self.log_rates else float
        for rate_rps, met in self.met.get(name, {}).items():
            if x0 < rate_rps < x1:
                share = (place(rate_rps) - place(x0)) / (place(x1) - place(x0))
                # Straight on the axis of latencies, which is logarithmic.
                if (y0 * (y1 / y0) ** share <= self.slo_ms) is not met:
                    return False
        return True


def _known(summary: Summary) -> _Known:
    slo = summary.manifest.experiment.slo
    sides = {Judgement.CERTIFIED: True, Judgement.NOT_MET: False}
    met = {
        capacity.contender: {
            rate.rate_rps: sides[rate.judgement]
            for rate in capacity.rates
            if rate.judgement in sides
        }
        for capacity in summary.capacities
        if capacity.slo == slo
    }
    return _Known(met, slo.latency_ms, wide(rates_of(summary)))


def _draw_strip(strip: Axes, axes: Axes, stopped: Mapping[str, Point]) -> None:
    """A row for each contender that saturated, at the first rate at which it did."""
    strip.grid(visible=False)
    strip.tick_params(bottom=False, labelbottom=False, left=False)
    strip.spines[["left", "bottom"]].set_visible(False)
    n_rows = max(len(stopped), 1)
    strip.set_ylim(-0.6, n_rows - 0.4)
    strip.set_yticks(
        [(n_rows - 1) / 2], ["saturated" if stopped else "none\nsaturated"], fontsize=9
    )
    left_px, right_px = axes.transAxes.transform([(0, 0), (1, 0)])[:, 0]
    for row, (name, point) in enumerate(sorted(stopped.items(), key=_by_rate_descending)):
        style, rate_rps = look(name), point.rate_rps or 0.0
        strip.plot(rate_rps, row, style.marker, color=style.color, markerfacecolor=PAGE)
        middle_px = (left_px + right_px) / 2
        on_right = strip.transData.transform((rate_rps, row))[0] < middle_px
        strip.annotate(
            name,
            (rate_rps, row),
            xytext=(8 if on_right else -8, 0),
            textcoords="offset points",
            ha="left" if on_right else "right",
            va="center",
            color=style.color,
            fontweight="bold",
            fontsize=10,
            annotation_clip=False,
        )


def _by_rate_descending(item: tuple[str, Point]) -> float:
    return -(item[1].rate_rps or 0.0)


def _first_saturated(points: Sequence[Point]) -> Point | None:
    saturated = [point for point in points if point.usable and point.saturated]
    return min(saturated, key=lambda point: point.rate_rps or 0.0, default=None)


def _latency_ms(point: Point) -> float | None:
    return point.metrics.latency_slo_ms if point.metrics else None
