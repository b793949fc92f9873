"""How figures look: one colour and marker per contender, direct labels, ink of the page."""

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from zlib import crc32

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

# Okabe-Ito and Tol colours, told apart by colour-blind readers and visible on white and on dark.
_LOOKS = {
    "fastapi": ("#D55E00", "o"),
    "fastapi-tuned": ("#E69F00", "s"),
    "fastapi-onnx": ("#009E73", "^"),
    "fastapi-compiled": ("#999933", "<"),
    "fastapi-batched": ("#4DA6A0", "p"),
    "litserve": ("#56B4E9", "D"),
    "litserve-patched": ("#5B7FDB", "d"),
    "triton-http": ("#8C6BB1", "X"),
    "triton-http-binary": ("#B07CC6", "*"),
    "triton-unbatched": ("#7F8C8D", "h"),
    "triton-one-model": ("#A0563B", ">"),
    "triton-shedding": ("#3D8B6E", "H"),
    "triton": ("#2F7FC1", "v"),
    "hybrid": ("#CC79A7", "P"),
    # Those of the experiments on a GPU: a contender that stands in another's place looks like it.
    "fastapi-tuned-fp16": ("#E69F00", "s"),
    "fastapi-batched-fp16": ("#4DA6A0", "p"),
    "litserve-fp16": ("#56B4E9", "D"),
    "triton-torch-fp16": ("#2F7FC1", "v"),
    "triton-torch-fp32": ("#7F8C8D", "h"),
    "triton-onnx-fp16": ("#009E73", "^"),
    "triton-tensorrt-fp16": ("#8C6BB1", "X"),
    "hybrid-torch-fp16": ("#CC79A7", "P"),
    "triton-1-alone": ("#E69F00", "o"),
    "triton-2-alone": ("#D55E00", "s"),
    "triton-4-alone": ("#A0563B", "^"),
    "triton-1-batched": ("#56B4E9", "D"),
    "triton-2-batched": ("#2F7FC1", "v"),
    "triton-4-batched": ("#8C6BB1", "P"),
}
_FURTHER = (
    ("#8C6BB1", "X"),
    ("#999933", "<"),
    ("#A0563B", ">"),
    ("#7F8C8D", "h"),
    ("#4DA6A0", "p"),
)

# These two stand for the page's own colours and are replaced by them in SVG, so that figures stay
# readable on a dark page.
INK = "#131211"
PAGE = "#fefefd"
MUTED = "#7d7f83"
_LABEL_GAP = 0.068

SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 11,
    "axes.titlesize": 11.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.grid": True,
    "grid.color": MUTED,
    "grid.alpha": 0.22,
    "lines.linewidth": 2,
    "lines.markersize": 6.5,
    "figure.figsize": (5.6, 4.5),
    "figure.facecolor": "none",
    "axes.facecolor": "none",
}


@dataclass(frozen=True)
class Look:
    color: str
    marker: str


@dataclass(frozen=True)
class EndLabel:
    """A name to be written to the right of the axes, about as high as its line ends; marker None:
    at just that height."""

    text: str
    x: float
    y: float
    color: str
    marker: str | None = None


def look(contender: str) -> Look:
    """The colour and marker of a contender: the same in every figure of every run."""
    if contender in _LOOKS:
        return Look(*_LOOKS[contender])
    return Look(*_FURTHER[crc32(contender.encode()) % len(_FURTHER)])


def spread(heights: Sequence[float], gap: float) -> list[float]:
    """Moves heights apart to at least gap, as little as needed, keeping their order."""
    order = sorted(range(len(heights)), key=lambda i: heights[i])
    placed: list[list[float]] = []
    for i in order:
        placed.append([heights[i]])
        # Groups that touch share their middle, so that no label drifts to one side.
        while len(placed) > 1 and _bottom(placed[-1], gap) < _top(placed[-2], gap) + gap:
            placed[-2:] = [placed[-2] + placed[-1]]
    result = [0.0] * len(heights)
    flat = [_bottom(group, gap) + k * gap for group in placed for k in range(len(group))]
    for i, height in zip(order, flat, strict=True):
        result[i] = height
    return result


def _bottom(group: Sequence[float], gap: float) -> float:
    return sum(group) / len(group) - gap * (len(group) - 1) / 2


def _top(group: Sequence[float], gap: float) -> float:
    return sum(group) / len(group) + gap * (len(group) - 1) / 2


def label_ends(axes: Axes, labels: Sequence[EndLabel]) -> None:
    """Writes labels right of the axes without overlap, each behind its marker and in the order in
    which the lines end. Lines from label to end would cross each other and the words."""
    if not labels:
        return
    to_axes = axes.transAxes.inverted()
    ends = [to_axes.transform(axes.transData.transform((item.x, item.y))) for item in labels]
    heights = spread([float(end[1]) for end in ends], _LABEL_GAP)
    # Labels pushed past an edge would leave the figure: shift all of them back together.
    shift = min(0.0, 1.0 - max(heights)) or max(0.0, -min(heights))
    for item, height in zip(labels, heights, strict=True):
        if item.marker:
            key = Line2D([1.045], [height + shift], marker=item.marker, color=item.color)
            key.set(transform=axes.transAxes, clip_on=False)
            axes.add_artist(key)
        axes.annotate(
            item.text,
            (1.08 if item.marker else 1.02, height + shift),
            xycoords="axes fraction",
            va="center",
            color=item.color,
            fontweight="bold",
            fontsize=10,
            annotation_clip=False,
        )


def to_svg(figure: Figure, name: str) -> str:
    """The figure as an inline SVG element: text follows the page's colour, ids start with name."""
    buffer = io.StringIO()
    with mpl.rc_context({**SETTINGS, "svg.hashsalt": name}):
        figure.savefig(buffer, format="svg", metadata={"Date": None}, transparent=True)
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :].replace(INK, "currentColor")
    svg = svg.replace(PAGE, "var(--page, white)")
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", svg)
    return re.sub(r'<svg ([^>]*?)width="[^"]*" height="[^"]*"', r"<svg \1", svg, count=1)
