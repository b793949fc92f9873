"""Predictions beside what was measured, in words."""

from collections.abc import Sequence
from itertools import pairwise
from statistics import median

from analysis.predict.compared import Foretold, ForetoldPoint
from analysis.predict.goals import P50_GOAL, P99_GOALS, THROUGHPUT_GOAL, PredictionError
from analysis.report.words.codes import listed
from analysis.report.words.numbers import NONE, exact_percent, number


def basis(found: Foretold) -> str:
    """When it was predicted and what it rests on."""
    commit = f", commit {found.costs_commit[:7]}" if found.costs_commit else ""
    return (
        f"Predicted at {_time(found.made_at)}, in {number(found.took_s)} s, before the first "
        f"trial. Costs of the servers: run {found.costs_from} of {_time(found.costs_created_at)}"
        f"{commit}. Engines: run {found.engines_from}."
    )


def verdict(found: Foretold) -> list[str]:
    """How many points are within the goals, and how large errors are."""
    return [within_goals(found.n_within_goals, found.n_judged), *sizes_of_errors(found.points)]


def within_goals(n_within: int, n_judged: int) -> str:
    """How many points are within which goals."""
    bounds = listed([f"{exact_percent(goal)} up to {exact_percent(at)}" for at, goal in P99_GOALS])
    return (
        f"{n_within} of {n_judged} points up to {exact_percent(P99_GOALS[-1][0])} of the highest "
        f"rate are within the goals: throughput {exact_percent(THROUGHPUT_GOAL)}, P50 "
        f"{exact_percent(P50_GOAL)}, P99 {bounds} of it."
    )


def sizes_of_errors(found: Sequence[PredictionError] | Sequence[ForetoldPoint]) -> list[str]:
    """Median and worst up to each load that goals are set for."""
    ends = [0.0, *(at for at, _ in P99_GOALS)]
    return [_errors(found, low, high) for low, high in pairwise(ends)]


def _errors(
    found: Sequence[PredictionError] | Sequence[ForetoldPoint], low: float, high: float
) -> str:
    inside = [each for each in found if low < each.load <= high]
    parts = []
    for name in ("throughput", "p50", "p99"):
        known = [getattr(each, f"{name}_error") for each in inside]
        sizes = [abs(error) for error in known if error is not None]
        if sizes:
            sized = f"{median(sizes):.0%} (worst {max(sizes):.0%}, {len(sizes)} points)"
            parts.append(f"{'throughput' if name == 'throughput' else name.upper()} {sized}")
    loads = f"{low:.0%} to {high:.0%} of the highest rate"
    return f"Median error at {loads}: {listed(parts) if parts else 'no point'}."


def error(value: float | None) -> str:
    """With its sign: what is predicted too high is above zero."""
    return NONE if value is None else f"{value * 100:+.1f}\N{NO-BREAK SPACE}%"


def left_out(found: Foretold) -> str:
    """Why contenders were not predicted; empty: all were."""
    reasons = [f"{name} ({reason.rstrip('.')})" for name, reason in found.left_out.items()]
    return f"Not predicted: {listed(reasons)}." if reasons else ""


def judged(within_goals: bool | None) -> str:
    if within_goals is None:
        return "no goal"
    return "yes" if within_goals else "no"


def _time(when: str) -> str:
    return when[:16].replace("T", " ")
