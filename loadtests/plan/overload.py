"""The trials that offer a contender multiples of its capacity, as the search found it."""

import random
from collections.abc import Container, Mapping

from loadtests.plan.rounds import PlannedTrial
from loadtests.records.overload import Overload
from loadtests.records.trials import Level, Phases
from loadtests.spec.experiment import Experiment
from servers.discovery import Contender

AROUND_OVERLOAD_S = 1.0
"""Seconds that an overload takes beside its load, while the server works off its backlog."""


def overload_slices(
    experiment: Experiment,
    contenders: Mapping[str, Contender],
    capacity_rps_by_contender: Mapping[str, float | None],
    round_number: int,
) -> list[PlannedTrial]:
    """One trial for each factor and contender that is given and has a capacity, in the order in
    which to make them.

    All contenders get one factor before any gets the next: what one has left unanswered is worked
    off while the others are under load. The seed depends on round and factor only, so that arrivals
    are the same for all contenders up to the scale of time.
    """
    spec = experiment.overload
    if spec is None:
        return []
    order = random.Random(f"{experiment.seed} overload {round_number}")
    factors = order.sample(spec.factors, len(spec.factors))
    found = []
    for factor in factors:
        for name in order.sample(experiment.contenders, len(experiment.contenders)):
            capacity_rps = capacity_rps_by_contender.get(name)
            if capacity_rps is None or name not in contenders:
                continue
            found.append(
                PlannedTrial(
                    trial_id=f"overload{round_number}-{name}-{factor:g}x",
                    purpose="overload",
                    contender=contenders[name],
                    level=Level("open", rate_rps=float(f"{factor * capacity_rps:.3g}")),
                    repeat=round_number,
                    phases=Phases(experiment.load.warmup_s, spec.overload_s),
                    schedule_seed=(experiment.seed, round_number, round(factor * 1000), 1),
                    overload=Overload(capacity_rps, factor, spec.recover_s),
                )
            )
    return found


def overload_s(experiment: Experiment, names: Container[str]) -> float:
    """About how long the overload trials of the contenders in names take."""
    spec = experiment.overload
    if spec is None:
        return 0.0
    each_s = experiment.load.warmup_s + spec.overload_s + spec.recover_s + AROUND_OVERLOAD_S
    n_contenders = sum(name in names for name in experiment.contenders)
    return spec.repeats * len(spec.factors) * n_contenders * each_s
