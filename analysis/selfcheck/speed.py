"""How much of what differs between rounds is the machine's speed: `python -m
analysis.selfcheck.speed RUN`.

A table of docs/statistics.md: by figure, the standard deviation of the logarithm of the ratio of
two contenders in one round, mean of all pairs of contenders; as measured, and with times divided by
how slow the machine was in each slice. Only slices in which the machine was watched count.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np

from analysis.capacity.load_points import grouped
from analysis.compare.intervals import Metric, log_ratios
from analysis.compare.verdicts import figures_of
from analysis.read.run import Run, load_run
from analysis.validity.trials import JudgedTrial, ceilings, judge_trials
from loadtests.records.markdown import table
from loadtests.records.stored import RecordError

METRICS = {Metric.CPU: "CPU a request", Metric.P50: "P50", Metric.P99: "P99"}
LEAST_ROUNDS = 3


@dataclass(frozen=True)
class Spread:
    """Standard deviations of log ratios of rounds; n_pairs: pairs of contenders behind them."""

    metric: Metric
    as_measured: float
    without_speed: float
    n_pairs: int


def spreads(judged: Sequence[JudgedTrial]) -> list[Spread]:
    """By figure, over all pairs of contenders with enough common rounds at one level."""
    watched = [t for t in judged if t.result.usable and t.sample and t.result.slowness_us]
    found: dict[Metric, list[tuple[float, float]]] = {metric: [] for metric in METRICS}
    for trials in grouped(watched, lambda t: t.result.level).values():
        by_name = grouped(trials, lambda t: t.result.contender)
        for before, after in combinations(by_name.values(), 2):
            by_round = {t.result.repeat: t for t in before}
            pairs = [(by_round[t.result.repeat], t) for t in after if t.result.repeat in by_round]
            if len(pairs) < LEAST_ROUNDS:
                continue
            raw, corrected = (
                log_ratios([(figures_of(a, apart), figures_of(b, apart)) for a, b in pairs])
                for apart in (False, True)
            )
            for metric in METRICS:
                if metric in raw:
                    both = (raw[metric].std(ddof=1), corrected[metric].std(ddof=1))
                    found[metric].append((float(both[0]), float(both[1])))
    means = {metric: np.mean(each, axis=0) for metric, each in found.items() if each}
    return [
        Spread(metric, float(mean[0]), float(mean[1]), len(found[metric]))
        for metric, mean in means.items()
    ]


def markdown(run: Run) -> str:
    """The table of a run; RecordError where the machine's speed was not watched often enough."""
    trials = [t for t in judge_trials(run, ceilings(run)) if t.result.purpose == "measurement"]
    rows = spreads([t for t in trials if t.result.mode == "open"])
    if not rows:
        raise RecordError(
            f"expected two contenders with {LEAST_ROUNDS} usable rounds at a rate in {run.folder}, "
            "in which the machine's speed was watched, found none: make a longer run."
        )
    cells = [
        [
            METRICS[row.metric],
            f"{row.as_measured:.3f}",
            f"{row.without_speed:.3f}",
            str(row.n_pairs),
        ]
        for row in rows
    ]
    return table(["figure", "as measured", "without the machine's speed", "pairs"], cells)


def main(arguments: Sequence[str]) -> int:
    """The table on stdout; 2 where there is none to print."""
    if len(arguments) != 1:
        print("expected one run folder: python -m analysis.selfcheck.speed RUN", file=sys.stderr)
        return 2
    try:
        print(markdown(load_run(Path(arguments[0]))))
    except RecordError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
