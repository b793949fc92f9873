"""The first figure of a report: the tail of latency by arrival rate, a panel a contender, with the
SLO and the rates up to which each is certified."""

from collections.abc import Sequence

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from analysis.capacity.certified import Capacity
from analysis.capacity.load_points import Point
from analysis.report.figures.rate_curves import (
    WIDTH_INCHES,
    mark_unused,
    open_points,
    rate_axis,
    say,
    segments,
    xy,
)
from analysis.report.figures.style import MUTED, PAGE, SETTINGS, look
from analysis.report.summary import Summary
from analysis.validity.reasons import Reason

COLUMNS = 2
PANEL_INCHES = 1.15
GAP_INCHES = 0.24
ABOVE_INCHES, BELOW_INCHES = 0.52, 0.5
SPACINGS = (1.2, 1.1, 1.0)
"""Least ratio of two neighbouring rates that are drawn: the widest with LEAST_STATED of them."""
LEAST_STATED = 5


def latency_figure(summary: Summary) -> Figure:
    """Latency at the SLO's percentile by arrival rate, those that sustain most first. Shaded: the
    rates up to which a contender is certified; the cross below is the lowest that was not met."""
    slo = summary.manifest.experiment.slo
    capacities = {c.contender: c for c in summary.capacities if c.slo == slo}
    by_name = {
        name: sparse(points, _drawn_up_to(capacities.get(name)))
        for name, points in open_points(summary).items()
    }
    certified = {name: c.certified_rps or 0.0 for name, c in capacities.items()}
    order = sorted(by_name, key=lambda name: -certified.get(name, 0.0))
    everything = [point for points in by_name.values() for point in points]
    missed = [c.not_met_rps for n, c in capacities.items() if n in by_name and c.not_met_rps]
    rates = sorted({p.rate_rps for p in everything if p.rate_rps} | set(missed))
    with mpl.rc_context(SETTINGS):
        figure, panels = _panels(f"P{slo.percentile:g} latency by arrival rate", order)
        for name, axes in panels.items():
            _limits(axes, rates, everything, slo.latency_ms)
            _certified_rates(axes, name, capacities.get(name))
            axes.axhline(slo.latency_ms, color=MUTED, ls="--", lw=1.2, zorder=1)
            _curve(axes, by_name[name], name)
            if not any(point.usable and _latency_ms(point) for point in by_name[name]):
                say(axes, f"no valid point states a P{slo.percentile:g}", fontsize=9)
        first = panels[order[0]]
        first.annotate(
            f"SLO {slo.latency_ms:g} ms",
            (0.015, slo.latency_ms),
            xycoords=first.get_yaxis_transform(),
            xytext=(0, 2),
            textcoords="offset points",
            color=MUTED,
            fontsize=8.5,
        )
    return figure


def _panels(title: str, names: Sequence[str]) -> tuple[Figure, dict[str, Axes]]:
    """A panel for each name, in rows, with one title and common words at the axes."""
    n_columns = min(COLUMNS, len(names))
    n_rows = -(-len(names) // n_columns)
    inside = n_rows * PANEL_INCHES + (n_rows - 1) * GAP_INCHES
    total = ABOVE_INCHES + inside + BELOW_INCHES
    figure = Figure(figsize=(WIDTH_INCHES, total))
    grid = figure.subplots(n_rows, n_columns, sharex=True, sharey=True, squeeze=False).ravel()
    figure.subplots_adjust(
        left=0.105,
        right=0.985,
        bottom=BELOW_INCHES / total,
        top=1 - ABOVE_INCHES / total,
        wspace=0.05,
        hspace=GAP_INCHES / PANEL_INCHES,
    )
    figure.text(0.005, 1 - 0.08 / total, title, va="top", fontsize=11.5, fontweight="bold")
    middle = (BELOW_INCHES + inside / 2) / total
    figure.supylabel(title.partition(" by ")[0] + " (ms)", x=0.005, y=middle, fontsize=10)
    figure.supxlabel("arrival rate (requests/s)", y=0.06 / total, fontsize=10)
    for spare in grid[len(names) :]:
        spare.remove()
    for above in grid[len(names) - n_columns : len(names)]:
        above.tick_params(labelbottom=True)
    return figure, dict(zip(names, grid, strict=False))


def _limits(axes: Axes, rates: Sequence[float], points: Sequence[Point], bound_ms: float) -> None:
    """The same axes in each panel: all that any of them shows, and the SLO."""
    labelled = axes.xaxis.get_tick_params()["labelbottom"]
    axes.set_yscale("log")
    shown_ms = [bound_ms, *(ms for p in points for ms in (_latency_ms(p), *interval_ms(p)) if ms)]
    low, high = 0.8 * min(shown_ms), 1.6 * max(shown_ms)
    rate_axis(axes, rates)
    axes.set_xlabel("")
    axes.set_ylim(low, high)
    axes.yaxis.set_major_locator(LogLocator(subs=(1,) if high > 50 * low else (1, 2, 5)))
    axes.tick_params(labelsize=9, labelbottom=labelled)


def _certified_rates(axes: Axes, name: str, capacity: Capacity | None) -> None:
    """Shades the rates that are certified and says above up to which."""
    color, certified = look(name).color, capacity.certified_rps if capacity else None
    axes.set_title(name, loc="left", color=color, fontsize=9.5, pad=3)
    if capacity:
        said = f"certified to {certified:g} rps" if certified else "none certified"
        axes.set_title(said, loc="right", color=color, fontsize=9, fontweight="normal", pad=3)
        if certified:
            axes.axvspan(axes.get_xlim()[0], certified, color=color, alpha=0.14, lw=0, zorder=0)
        if capacity.not_met_rps:
            at = axes.get_xaxis_transform()
            axes.plot(capacity.not_met_rps, 0.07, "x", color=color, transform=at)


def _curve(axes: Axes, points: Sequence[Point], name: str) -> None:
    """A line through neighbouring rates; filled where the point is certified, with its interval."""
    style = look(name)
    mark_unused(axes, points, _latency_ms, style.color)
    for run in segments(points, _latency_ms):
        axes.plot(*xy(run, _latency_ms), color=style.color, lw=1.6)
    stated = [p for p in points if p.usable and _latency_ms(p) is not None]
    for point in stated:
        ends_ms, rate_rps = interval_ms(point), point.rate_rps or 0.0
        if ends_ms:
            axes.plot([rate_rps] * 2, ends_ms, color=style.color, lw=1.1, alpha=0.8)
        if Reason.SLICES_TOO_SHORT in point.reasons:
            _arrow_up(axes, rate_rps, _latency_ms(point) or 0.0, style.color)
    for certified in (True, False):
        axes.plot(
            *xy([point for point in stated if point.certified is certified], _latency_ms),
            ls="",
            marker=style.marker,
            markersize=5,
            color=style.color,
            markerfacecolor=style.color if certified else PAGE,
            clip_on=False,
        )


def _arrow_up(axes: Axes, rate_rps: float, at_least_ms: float, color: str) -> None:
    """The true value lies at or above this one."""
    axes.annotate(
        "",
        (rate_rps, at_least_ms),
        xytext=(0, 14),
        textcoords="offset points",
        arrowprops={"arrowstyle": "<|-", "color": color, "lw": 1, "shrinkA": 0, "shrinkB": 3}
        | {"mutation_scale": 8},
    )


def sparse(points: Sequence[Point], up_to_rps: float | None) -> list[Point]:
    """Those up to a rate. Of those that state a latency, at the widest of SPACINGS that leaves
    LEAST_STATED of them, where rates are nearer the one with the most requests: a search on a fine
    grid leaves dozens, each of few requests."""
    inside = [p for p in points if up_to_rps is None or (p.rate_rps or 0.0) <= up_to_rps]
    stated = [p for p in inside if p.usable and _latency_ms(p) is not None]
    for spacing in SPACINGS:
        kept = _apart(stated, spacing)
        if len(kept) >= LEAST_STATED:
            break
    return [point for point in inside if point in kept or point not in stated]


def _apart(points: Sequence[Point], spacing: float) -> list[Point]:
    kept: list[Point] = []
    for point in sorted(points, key=lambda p: -(p.metrics.n_ok if p.metrics else 0)):
        rate_rps = point.rate_rps or 0.0
        others = [p.rate_rps or 0.0 for p in kept]
        if all(max(rate_rps, r) >= spacing * min(rate_rps, r) for r in others):
            kept.append(point)
    return kept


def _drawn_up_to(capacity: Capacity | None) -> float | None:
    """The lowest rate not met, or the upper end of the capacity where that is more; None: all."""
    if capacity is None or capacity.not_met_rps is None:
        return None
    return max(capacity.not_met_rps, capacity.estimate_high_rps or 0.0)


def _latency_ms(point: Point) -> float | None:
    return point.metrics.latency_slo_ms if point.metrics else None


def interval_ms(point: Point) -> list[float]:
    """The ends of the interval of P99, where it is known and the SLO's percentile is P99; the value
    itself where the interval has no upper end."""
    low, high = getattr(point, "p99_low_ms", None), getattr(point, "p99_high_ms", None)
    p99_ms = point.metrics.latency_p99_ms if point.metrics else None
    if not (low and p99_ms and point.usable) or _latency_ms(point) != p99_ms:
        return []
    return [low, high or p99_ms]
