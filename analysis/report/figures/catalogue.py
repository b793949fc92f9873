"""Every figure of a run, by name: what the report and the notebook show."""

from collections.abc import Callable, Mapping
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from analysis.report.figures.coordinated_omission import omission_figure
from analysis.report.figures.engines import engine_figure
from analysis.report.figures.gpu import gpu_figure
from analysis.report.figures.intervals import capacity_figure, forest_figure
from analysis.report.figures.machine import machine_figure
from analysis.report.figures.overload import overload_figure
from analysis.report.figures.predicted import predicted_figure
from analysis.report.figures.rate_curves import open_points, throughput_figure, utilisation_figure
from analysis.report.figures.server_time import server_time_figure
from analysis.report.figures.style import SETTINGS, to_svg
from analysis.report.figures.tail_latency import latency_figure
from analysis.report.figures.waterfall import waterfall_figure
from analysis.report.summary import Summary

DRAWN: Mapping[str, Callable[[Summary], Figure | None]] = {
    "capacity": capacity_figure,
    "waterfall": waterfall_figure,
    "latency": latency_figure,
    "throughput": throughput_figure,
    "utilisation": utilisation_figure,
    "overload": overload_figure,
    "server_time": server_time_figure,
    "omission": omission_figure,
    "gpu": gpu_figure,
    "engine": engine_figure,
    "predicted": predicted_figure,
    "forest": forest_figure,
    "machine": machine_figure,
}

PNG_FILES: Mapping[str, Callable[[Summary], Figure | None]] = {
    "capacity.png": capacity_figure,
    "p99.png": latency_figure,
}
"""For places that show no SVG."""


def figures(summary: Summary) -> dict[str, str]:
    """Inline SVG of every figure that has something to show; none for a run of closed loops."""
    if not open_points(summary):
        return {}
    drawn = {name: draw(summary) for name, draw in DRAWN.items()}
    return {name: to_svg(figure, name) for name, figure in drawn.items() if figure}


def png_figures(summary: Summary) -> dict[str, Figure]:
    """By file name: those of PNG_FILES that have something to show."""
    if not open_points(summary):
        return {}
    drawn = {name: draw(summary) for name, draw in PNG_FILES.items()}
    return {name: figure for name, figure in drawn.items() if figure}


def write_png(figure: Figure, path: Path) -> None:
    """Writes a figure on white."""
    with mpl.rc_context(SETTINGS):
        figure.savefig(path, format="png", dpi=200, facecolor="white", metadata={"Software": None})
