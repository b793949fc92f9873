"""The Pareto figure: capacity against P50 at low load, both over the default's."""

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.report.figures.style import INK, MUTED, SETTINGS, look
from analysis.report.figures.winner_map import standalone_svg
from analysis.report.words.numbers import plain
from analysis.tune.measured import Candidate, Generation
from analysis.tune.verdict import front
from loadtests.records.tuning import Tuning

_SEEN, _SURE = "measured once", "measured once more, with 95 % intervals"


@dataclass(frozen=True)
class Place:
    """A configuration in the figure; sure: of the last generation."""

    candidate: Candidate
    p50_ratio: float
    capacity_ratio: float
    sure: bool


def pareto_svg(tuning: Tuning, generations: Sequence[Generation], final: Generation | None) -> str:
    """A file of its own."""
    return standalone_svg(pareto_figure(tuning, places(generations, final)), "pareto")


def places(generations: Sequence[Generation], final: Generation | None) -> list[Place]:
    """Every configuration of which both ratios are known, where it was measured last."""
    found: dict[str, Place] = {}
    for generation in (*generations, *((final,) if final else ())):
        for each in generation.candidates:
            p50 = each.p50.ratio if each.p50 else None
            if each.capacity.ratio is not None and p50 is not None and each.in_play:
                place = Place(each, p50, each.capacity.ratio, generation is final)
                found[each.name] = place
    return list(found.values())


def pareto_figure(tuning: Tuning, found: Sequence[Place]) -> Figure:
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(7.4, 5.0))
        axes = figure.subplots()
        figure.subplots_adjust(left=0.1, right=0.97, top=0.84, bottom=0.13)
        axes.set_title(f"Configurations of {tuning.contender}", pad=26)
        axes.annotate(
            f"{tuning.slo}; up and to the left is better",
            (0, 1.02),
            xycoords="axes fraction",
            fontsize=8.5,
            va="bottom",
            color=MUTED,
        )
        color = look(tuning.contender).color
        for place in found:
            _draw(axes, place, color)
        axes.plot([1], [1], marker="*", markersize=13, color=INK, ls="none", label="default")
        _front(axes, [(1.0, 1.0), *((p.p50_ratio, p.capacity_ratio) for p in found)])
        axes.axhline(1, color=MUTED, lw=0.8, zorder=0)
        axes.axvline(1, color=MUTED, lw=0.8, zorder=0)
        axes.set_xlabel(f"P50 at {plain(tuning.low_rps)} requests/s, over the default's")
        axes.set_ylabel("capacity, over the default's")
        _legend(axes)
    return figure


def _draw(axes: Axes, place: Place, color: str) -> None:
    capacity, p50 = place.candidate.capacity, place.candidate.p50
    spread = None
    if place.sure and p50 and None not in (capacity.low, capacity.high, p50.low, p50.high):
        spread = (
            _apart(place.p50_ratio, p50.low, p50.high),
            _apart(place.capacity_ratio, capacity.low, capacity.high),
        )
    axes.errorbar(
        [place.p50_ratio],
        [place.capacity_ratio],
        xerr=spread[0] if spread else None,
        yerr=spread[1] if spread else None,
        fmt="o",
        color=color,
        mfc=color if place.sure else "none",
        lw=1.2,
        capsize=2,
        label=_SURE if place.sure else _SEEN,
    )
    axes.annotate(
        place.candidate.name,
        (place.p50_ratio, place.capacity_ratio),
        xytext=(6, 5),
        textcoords="offset points",
        fontsize=9,
        fontweight="bold" if place.sure else "normal",
    )


def _apart(middle: float, low: float | None, high: float | None) -> list[list[float]]:
    below = max(0.0, middle - low) if low is not None else 0.0
    above = max(0.0, high - middle) if high is not None else 0.0
    return [[below], [above]]


def _front(axes: Axes, all_places: Sequence[tuple[float, float]]) -> None:
    """Between two of its points one can have the P50 of the left with its capacity only."""
    best = front(all_places)
    xs, ys = [p50 for p50, _ in best], [capacity for _, capacity in best]
    axes.plot(xs, ys, drawstyle="steps-post", color=MUTED, lw=1.2, ls="--", label="none is better")


def _legend(axes: Axes) -> None:
    handles, labels = axes.get_legend_handles_labels()
    once = dict(zip(labels, handles, strict=True))
    axes.legend(once.values(), once.keys(), fontsize=8.5, frameon=False, loc="best")
