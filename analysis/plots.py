"""The figures of the report: tail latency, throughput and utilisation against the arrival rate."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from analysis.figure_style import MUTED, PAGE, SETTINGS, EndLabel, label_ends, look, to_svg
from analysis.points import Point
from analysis.summary import Summary

_RIGHT_MARGIN = 0.74
"""Share of the width that the axes may use; the rest holds the labels at the line ends."""


def figures(summary: Summary) -> dict[str, str]:
    """Inline SVG of every figure by name; empty for a run without arrival rates."""
    if not _open_points(summary):
        return {}
    drawn = {
        "p99": p99_figure(summary),
        "throughput": throughput_figure(summary),
        "utilisation": utilisation_figure(summary),
    }
    return {name: to_svg(figure, name) for name, figure in drawn.items()}


def write_png(summary: Summary, path: Path) -> None:
    """The P99 figure as a PNG on white, for places that show no SVG."""
    figure = p99_figure(summary)
    with mpl.rc_context(SETTINGS):
        figure.savefig(path, format="png", dpi=200, facecolor="white", metadata={"Software": None})


def p99_figure(summary: Summary) -> Figure:
    """P99 latency by arrival rate; above it, where each contender stopped keeping up."""
    by_name = _open_points(summary)
    firsts = {name: _first_saturated(points) for name, points in by_name.items()}
    stopped = {name: point for name, point in firsts.items() if point is not None}
    slo = summary.manifest.experiment.slo
    strip_inches = 0.22 * max(len(stopped), 1) + 0.1
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(5.6, 4.2 + strip_inches))
        strip, axes = figure.subplots(
            2, 1, sharex=True, height_ratios=[strip_inches, 3.4], gridspec_kw={"hspace": 0.04}
        )
        figure.subplots_adjust(left=0.15, right=_RIGHT_MARGIN, top=0.91, bottom=0.08)
        strip.set_title("P99 latency (ms) by arrival rate (requests/s)", x=-0.2, pad=8)
        axes.set_yscale("log")
        stated_ms = [p.stated_p99_ms for p in summary.points if p.rate_rps and p.stated_p99_ms]
        top_ms = 1.6 * max([slo.latency_ms, *stated_ms])
        axes.set_ylim(0.8 * min([slo.latency_ms, *stated_ms]), top_ms)
        ends = _p99_lines(axes, by_name, stopped, top_ms)
        axes.axhline(slo.latency_ms, color=MUTED, ls="--", lw=1.2)
        _finish(axes, summary)
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        right_edge = axes.get_xlim()[1]
        ends.append(EndLabel(f"SLO {slo.latency_ms:g} ms", right_edge, slo.latency_ms, MUTED))
        _draw_strip(strip, axes, stopped)
        if not stated_ms:
            _say(axes, "no valid point states a P99")
        label_ends(axes, ends)
    return figure


def throughput_figure(summary: Summary) -> Figure:
    """Throughput by arrival rate, with the line on which a server keeps up."""
    rates = _rates(summary)
    with mpl.rc_context(SETTINGS):
        figure, axes = _single("Throughput by arrival rate (requests/s)")
        axes.plot(rates, rates, color=MUTED, ls="--", lw=1.2, zorder=0)
        ends = _lines(axes, summary, lambda p: p.metrics.throughput_rps if p.metrics else None)
        _finish(axes, summary)
        if _wide(rates):
            axes.set_yscale("log")
            axes.set_yticks(rates, [f"{rate:g}" for rate in rates])
            axes.minorticks_off()
        else:
            axes.set_ylim(bottom=0)
        label_ends(axes, ends)
    return figure


def utilisation_figure(summary: Summary) -> Figure:
    """GPU time-busy where there is a GPU, else server CPU, by arrival rate."""
    gpu = any(p.metrics and p.metrics.gpu_busy_ratio is not None for p in summary.points)

    def percent(point: Point) -> float | None:
        metrics = point.metrics
        if metrics is None:
            return None
        ratio = metrics.gpu_busy_ratio if gpu else metrics.server_cpu_utilisation
        return None if ratio is None else ratio * 100

    with mpl.rc_context(SETTINGS):
        what = "GPU time busy (%)" if gpu else "Server CPU used (%)"
        figure, axes = _single(f"{what} by arrival rate (requests/s)")
        ends = _lines(axes, summary, percent)
        _finish(axes, summary)
        axes.set_ylim(0, max(100.0, axes.get_ylim()[1]))
        label_ends(axes, ends)
    return figure


def _p99_lines(
    axes: Axes,
    by_name: Mapping[str, Sequence[Point]],
    stopped: Mapping[str, Point],
    top_ms: float,
) -> list[EndLabel]:
    ends = []
    for name, points in by_name.items():
        xs, ys = _xy(points, lambda point: point.stated_p99_ms)
        style = look(name)
        axes.plot(xs, ys, color=style.color, marker=style.marker, clip_on=False)
        if xs and name in stopped:
            # Where the tail lies beyond the last stated P99 is not known: dotted, to the top.
            rate_rps = stopped[name].rate_rps or xs[-1]
            axes.plot([xs[-1], rate_rps], [ys[-1], top_ms], color=style.color, ls=":", lw=1.3)
        elif xs:
            ends.append(EndLabel(name, xs[-1], ys[-1], style.color))
    return ends


def _single(title: str) -> tuple[Figure, Axes]:
    figure = Figure()
    axes = figure.subplots()
    figure.subplots_adjust(left=0.15, right=_RIGHT_MARGIN, top=0.9, bottom=0.08)
    axes.set_title(title, x=-0.2, pad=10)
    return figure, axes


def _lines(axes: Axes, summary: Summary, value: Callable[[Point], float | None]) -> list[EndLabel]:
    """Draws a line a contender, saturated points hollow; returns the labels of the line ends."""
    ends = []
    for name, points in _open_points(summary).items():
        xs, ys = _xy([p for p in points if p.usable], value)
        if not xs:
            continue
        style = look(name)
        axes.plot(xs, ys, color=style.color)
        for filled in (True, False):
            some = [p for p in points if p.usable and p.saturated is not filled]
            axes.plot(
                *_xy(some, value),
                ls="",
                marker=style.marker,
                color=style.color,
                markerfacecolor=style.color if filled else PAGE,
                clip_on=False,
            )
        ends.append(EndLabel(name, xs[-1], ys[-1], style.color))
    if not ends:
        _say(axes, "no valid point")
    return ends


def _say(axes: Axes, text: str) -> None:
    axes.annotate(text, (0.5, 0.3), xycoords="axes fraction", ha="center")


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


def _finish(axes: Axes, summary: Summary) -> None:
    rates = _rates(summary)
    if _wide(rates):
        axes.set_xscale("log")
    axes.set_xticks(rates, [f"{rate:g}" for rate in rates])
    axes.minorticks_off()
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")


def _wide(rates: Sequence[float]) -> bool:
    return max(rates) >= 8 * min(rates)


def _rates(summary: Summary) -> list[float]:
    return sorted({point.rate_rps for point in summary.points if point.rate_rps is not None})


def _open_points(summary: Summary) -> dict[str, list[Point]]:
    found: dict[str, list[Point]] = {}
    for point in summary.points:
        if point.rate_rps is not None:
            found.setdefault(point.contender, []).append(point)
    return found


def _first_saturated(points: Sequence[Point]) -> Point | None:
    saturated = [point for point in points if point.usable and point.saturated]
    return min(saturated, key=lambda point: point.rate_rps or 0.0, default=None)


def _xy(
    points: Sequence[Point], value: Callable[[Point], float | None]
) -> tuple[list[float], list[float]]:
    pairs = [(point.rate_rps, value(point)) for point in points]
    known = [(x, y) for x, y in pairs if x is not None and y is not None]
    return [x for x, _ in known], [y for _, y in known]
