"""Verdicts on ratios, in words."""

from analysis.compare.verdicts import Ratio
from analysis.report.words.codes import said
from analysis.report.words.numbers import NONE, interval, times


def verdict(ratio: Ratio | None) -> str:
    """What was found, with the ratio and its interval: better: 0.420× (0.380 to 0.470)."""
    if ratio is None:
        return NONE
    if ratio.ratio is None:
        return said(ratio.verdict)
    return f"{said(ratio.verdict)}: {times(ratio.ratio)} ({interval(ratio.low, ratio.high)})"
