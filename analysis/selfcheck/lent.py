"""How often does an interval hold the truth, to which the other pairs of a run lend their scatter?

Simulated: pairs of contenders whose rounds scatter by different amounts, which nobody is told.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.compare.intervals import NOTHING_LENT, lent_by, spread_of, t_interval

SCATTERS: dict[str, Sequence[float]] = {
    "all alike": [0.05] * 9,
    "up to 2 times": list(np.geomspace(0.03, 0.06, 9)),
    "up to 4 times": list(np.geomspace(0.024, 0.105, 9)),
    "one 3 times": [0.04] * 8 + [0.12],
}


@dataclass(frozen=True)
class Held:
    """Share of the intervals that hold the truth: of all pairs, and of the pair for which fewest
    do. width: mean distance of the ends in the logarithm, over that with nothing lent."""

    all: float
    worst: float
    width: float


def held(scatters: Sequence[float], n_rounds: int, n_runs: int) -> Held:
    rng = np.random.default_rng(6)
    within = np.zeros((n_runs, len(scatters)))
    widths = np.zeros((2, n_runs, len(scatters)))
    for run in range(n_runs):
        logs = [rng.normal(0, scatter, n_rounds) for scatter in scatters]
        lent = lent_by([spread_of(each) for each in logs])
        for k, each in enumerate(logs):
            alone, found = (t_interval(each, lent=known) for known in (NOTHING_LENT, lent))
            within[run, k] = found.low <= 1 <= found.high
            widths[:, run, k] = [np.log(i.high / i.low) for i in (alone, found)]
    by_pair = within.mean(axis=0)
    alone, found = widths.mean(axis=(1, 2))
    return Held(float(by_pair.mean()), float(by_pair.min()), float(found / alone))


def print_held(n_runs: int) -> None:
    print("lent scatter: intervals that hold the truth / of the worst pair / width")
    for name, scatters in SCATTERS.items():
        for n_rounds in (4, 6, 12):
            found = held(scatters, n_rounds, n_runs)
            print(
                f"{name:14}  {n_rounds:3} rounds  {found.all:5.1%}  {found.worst:5.1%}  "
                f"{found.width:4.2f}",
                flush=True,
            )
