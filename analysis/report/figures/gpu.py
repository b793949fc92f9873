"""The meanings of GPU utilisation side by side, one row a contender."""

from collections.abc import Mapping

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.capacity.engine_efficiency import highest_loads
from analysis.report.figures.intervals import name_rows, stack
from analysis.report.figures.style import MUTED, PAGE, SETTINGS, look
from analysis.report.summary import Summary
from analysis.steady.metrics import Metrics

_SHARES = {
    "time busy": ("gpu_busy_ratio", "o", False),
    "SM active": ("gpu_sm_active_ratio", "o", True),
    "tensor active": ("gpu_tensor_active_ratio", "^", True),
}
"""Field of Metrics, marker, and whether it is filled."""


def gpu_figure(summary: Summary) -> Figure | None:
    """Time busy, SM active and tensor active of each contender where it answered the most.

    None where no contender has any.
    """
    highest = highest_loads(summary.points)
    known = {
        name: metrics
        for name in summary.manifest.experiment.contenders
        if name in highest and (metrics := highest[name].metrics) and _shares(metrics)
    }
    if not known:
        return None
    with mpl.rc_context(SETTINGS):
        figure, [axes] = stack([len(known) + 1], right=0.93)
        axes.set_title("What is called GPU utilisation", x=-0.31, pad=7)
        axes.set_xlabel("share of time, or of the GPU (%)", fontsize=10)
        name_rows(axes, list(known))
        axes.set_ylim(len(known) - 0.45, -1.3)
        axes.set_xscale("linear")
        axes.set_xticks([0, 20, 40, 60, 80, 100])
        axes.set_xlim(0, 104)
        for row, (name, metrics) in enumerate(known.items()):
            _draw(axes, row, look(name).color, _shares(metrics))
        _legend(axes, {share for metrics in known.values() for share in _shares(metrics)})
    return figure


def _shares(metrics: Metrics) -> dict[str, float]:
    found = {name: getattr(metrics, field) for name, (field, _, _) in _SHARES.items()}
    return {name: share * 100 for name, share in found.items() if share is not None}


def _draw(axes: Axes, row: int, color: str, shares: Mapping[str, float]) -> None:
    ends = (min(shares.values()), max(shares.values()))
    axes.plot(ends, (row, row), color=color, lw=2.4, alpha=0.35, zorder=1)
    for name, share in shares.items():
        _, marker, filled = _SHARES[name]
        axes.plot(
            share,
            row,
            marker,
            color=color,
            markerfacecolor=color if filled else PAGE,
            clip_on=False,
        )


def _legend(axes: Axes, shown: set[str]) -> None:
    handles = [
        Line2D(
            [],
            [],
            ls="",
            marker=marker,
            color=MUTED,
            markerfacecolor=MUTED if filled else PAGE,
            label=name,
        )
        for name, (_, marker, filled) in _SHARES.items()
        if name in shown
    ]
    axes.legend(handles=handles, ncols=3, loc="upper left", frameon=False, fontsize=9.5)
