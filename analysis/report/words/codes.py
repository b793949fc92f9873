"""The names of codes: what a reader calls a reason, a verdict, a figure, a change."""

from collections.abc import Sequence
from enum import StrEnum

_NAMES = {
    "compile": "compilation",
    "contender_out": "contender is out",
    "cuda_graphs": "CUDA graphs",
    "littles_law_violated": "Little's law violated",
    "met_not_certified": "met, not certified",
    "none_meets_slo": "none meets the SLO",
    "p50_latency": "P50 latency",
    "p99_latency": "P99 latency",
    "server_cpu": "server CPU",
    "tensorrt": "TensorRT",
}
"""Where the name is not the code with blanks."""


def said(code: StrEnum | str) -> str:
    """A code as a reader sees it: not enough evidence for not_enough_evidence."""
    return _NAMES.get(code, code.replace("_", " "))


def listed(names: Sequence[str]) -> str:
    """Names in a sentence: a, b and c."""
    *first, last = names or [""]
    return f"{', '.join(first)} and {last}" if first else last
