"""The slices of a round: every contender once, in seeded random order. Pure.

Rounds at a common level, where all contenders get the same schedule, alternate with rounds in which
each gets a rate of its own. Contenders are compared by the former; the latter look for capacity.
"""

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from loadtests.plan.adapt import Certified, SeenSlice, next_rate
from loadtests.plan.grid import grid_of
from loadtests.plan.rounds import PlannedTrial, planned_trial
from loadtests.plan.slice_length import phases_for, settle_for
from loadtests.records.trials import Level, Phases, Purpose
from loadtests.spec.experiment import Experiment
from servers.discovery import Contender

Seen = Mapping[str, Sequence[SeenSlice]]
"""By contender: its usable open-loop slices so far, of common rates and of its own."""


def slices_of(
    experiment: Experiment,
    contenders: Mapping[str, Contender],
    round_number: int,
    seen_by_contender: Seen,
    *,
    certified: Certified,
    n_server_cores: int = 1,
    highest_valid_rps: Mapping[str, float] = MappingProxyType({}),
) -> list[PlannedTrial]:
    """The slices of a round, counted from 1, for the given ones of the experiment's contenders.

    highest_valid_rps: by protocol, where the client's own queueing begins to show.
    """
    names = [name for name in experiment.contenders if name in contenders]
    common = common_level(experiment, round_number)
    if common is not None:
        seen = [seen_by_contender.get(name, ()) for name in names]
        phases = _common_phases(experiment, common, seen, n_server_cores)
        if experiment.aa_copy and experiment.aa_test in names:
            names.append(experiment.aa_copy)
        planned = dict.fromkeys(names, (common, phases))
    else:
        planned = {
            name: _own(
                experiment,
                seen_by_contender.get(name, ()),
                certified,
                n_server_cores,
                highest_valid_rps.get(contenders[name].protocol, math.inf),
            )
            for name in names
        }
    anew = started_anew(experiment, round_number, names)
    slices = [
        _slice(experiment, contenders, name, round_number, *planned[name], common is None)
        for name in round_order(experiment.seed, round_number, names)
    ]
    return [replace(each, anew=each.contender.name in anew) for each in slices]


def started_anew(experiment: Experiment, round_number: int, names: Sequence[str]) -> frozenset[str]:
    """The contenders that a common round restarts before their slices: in turn, in seeded order.

    Two starts of one program differ by several percent for as long as they last, through the layout
    of their memory (Curtsinger and Berger, ASPLOS 2013; Kalibera and Jones, ISMM 2013). More rounds
    do not average that out; more starts do.
    """
    n = experiment.restarts_per_round
    if not n or round_number == 1 or common_level(experiment, round_number) is None:
        return frozenset()
    n_before = (round_number - 1) // (1 if experiment.capacity is None else 2) - 1
    turns = round_order(experiment.seed, 0, sorted(names))
    return frozenset(turns[(n_before * n + i) % len(turns)] for i in range(n))


def common_level(experiment: Experiment, round_number: int) -> Level | None:
    """The level that all contenders share in this round, several taking turns; None: each has a
    rate of its own. The first round is a common one, and gives the guesses for the second."""
    levels = experiment.load.levels()
    if not levels:
        return None
    if experiment.capacity is None:
        return levels[(round_number - 1) % len(levels)]
    return levels[round_number // 2 % len(levels)] if round_number % 2 else None


def round_order(seed: int, round_number: int, names: Sequence[str]) -> list[str]:
    """A fresh random order each round, so that no slow change of the machine (heat, other load)
    and no neighbour in the order favours a contender."""
    return random.Random(f"{seed} {round_number}").sample(names, len(names))


def _common_phases(
    experiment: Experiment, level: Level, seen: Sequence[Sequence[SeenSlice]], n_server_cores: int
) -> Phases:
    """One length for all, since they share a schedule: that of the one that settles slowest."""
    load = experiment.load
    if level.rate_rps is None:
        return Phases(load.warmup_s, load.steady_s)
    settle_s = [settle_for(load, level.rate_rps, each, n_server_cores) for each in seen]
    return Phases(max(settle_s, default=load.warmup_s), load.steady_s)


def _own(
    experiment: Experiment,
    seen: Sequence[SeenSlice],
    certified: Certified,
    n_server_cores: int,
    highest_valid_rps: float,
) -> tuple[Level, Phases]:
    assert experiment.capacity is not None  # otherwise the round has a common level
    grid = grid_of(experiment.capacity, highest_valid_rps)
    rate_rps = next_rate(seen, grid, experiment.slos, certified, n_server_cores)
    phases = phases_for(experiment.load, rate_rps, seen, n_server_cores)
    return Level("open", rate_rps=rate_rps), phases


def _slice(
    experiment: Experiment,
    contenders: Mapping[str, Contender],
    name: str,
    round_number: int,
    level: Level,
    phases: Phases,
    own: bool,
) -> PlannedTrial:
    is_copy = name == experiment.aa_copy
    contender = replace(contenders[str(experiment.aa_test) if is_copy else name], name=name)
    purpose: Purpose = "noise" if is_copy else "search" if own else "measurement"
    return planned_trial(experiment, contender, purpose, level, round_number, phases)
