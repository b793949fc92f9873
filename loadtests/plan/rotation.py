import random
from collections.abc import Mapping, Sequence

from loadtests.plan.adapt import SeenSlice
from loadtests.plan.bisection import Grid
from loadtests.plan.rounds import PlannedTrial, planned_trial, residents_of
from loadtests.records.trials import Level, Phases, Purpose
from loadtests.spec.experiment import Experiment
from servers.discovery import Contender


def slices_of(
    experiment: Experiment,
    contenders: Mapping[str, Contender],
    number: int,
    seen: Mapping[str, Sequence[SeenSlice]],
    grids: Mapping[str, Grid],
    n_cores: int,
) -> list[PlannedTrial]:
    every = {each.name: each for each in residents_of(experiment, contenders)}
    levels = experiment.load.levels() or (Level("open", rate_rps=50.0),)
    level = levels[(number - 1) % len(levels)]
    out = []
    for name in random.Random(f"{experiment.seed} {number}").sample(sorted(every), len(every)):
        purpose: Purpose = "noise" if name == experiment.aa_copy else "measurement"
        out.append(
            planned_trial(
                experiment,
                every[name],
                purpose,
                level,
                number,
                Phases(experiment.load.warmup_s, experiment.load.steady_s),
            )
        )
    return out
