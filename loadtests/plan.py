"""From an experiment to the ordered list of trials, interleaved in seeded random blocks."""

import random
from dataclasses import dataclass

from loadtests.records import Level, Phases, Purpose
from loadtests.spec import Experiment
from servers.discovery import Contender


@dataclass(frozen=True)
class PlannedTrial:
    """schedule_seed depends on level and repeat only: every contender gets the same schedule."""

    trial_id: str
    purpose: Purpose
    contender: Contender
    level: Level
    repeat: int
    order: int
    phases: Phases
    schedule_seed: tuple[int, ...]


@dataclass(frozen=True)
class Block:
    """Trials that share one start of one contender."""

    contender: Contender
    trials: tuple[PlannedTrial, ...]


def plan(experiment: Experiment, contenders: dict[str, Contender]) -> list[Block]:
    """Calibration first; then each repeat visits every contender in a fresh random order.

    Repeating whole rounds in changing order, instead of one contender after the other, keeps
    slow changes of the machine (heat, neighbours) from favouring one contender.
    """
    rng = random.Random(experiment.seed)
    blocks: list[Block] = []
    order = 0
    for contender, purpose, repeat, levels in _visits(experiment, contenders, rng):
        trials = []
        for index, level in levels:
            order += 1
            trials.append(
                PlannedTrial(
                    trial_id=_trial_id(purpose, contender, level, repeat),
                    purpose=purpose,
                    contender=contender,
                    level=level,
                    repeat=repeat,
                    order=order,
                    phases=_phases(experiment, purpose, level),
                    schedule_seed=(experiment.seed, repeat, index),
                )
            )
        blocks.append(Block(contender, tuple(trials)))
    return blocks


def _visits(
    experiment: Experiment, contenders: dict[str, Contender], rng: random.Random
) -> list[tuple[Contender, Purpose, int, list[tuple[int, Level]]]]:
    visits: list[tuple[Contender, Purpose, int, list[tuple[int, Level]]]] = []
    if experiment.calibration:
        callers = Level("closed", concurrency=experiment.calibration.concurrency)
        for name in experiment.calibration.contenders:
            visits.append((contenders[name], "calibration", 1, [(0, callers)]))
    levels = list(enumerate(experiment.load.levels()))
    for repeat in range(1, experiment.repeats + 1):
        for name in rng.sample(experiment.contenders, len(experiment.contenders)):
            shuffled = rng.sample(levels, len(levels))
            visits.append((contenders[name], "measurement", repeat, shuffled))
    return visits


def _phases(experiment: Experiment, purpose: Purpose, level: Level) -> Phases:
    if purpose == "calibration" and experiment.calibration:
        return Phases(experiment.calibration.warmup_s, experiment.calibration.steady_s)
    return Phases(experiment.load.warmup_s, experiment.load.steady_for(level))


def _trial_id(purpose: Purpose, contender: Contender, level: Level, repeat: int) -> str:
    prefix = "calibration" if purpose == "calibration" else f"r{repeat}"
    return f"{prefix}-{contender.name}-{level.label}"


def expected_s(blocks: list[Block], startup_s: float = 8.0, around_trial_s: float = 4.0) -> float:
    """A rough length of the whole plan, for the progress display before anything is measured."""
    trials = [trial for block in blocks for trial in block.trials]
    loaded = sum(trial.phases.warmup_s + trial.phases.steady_s for trial in trials)
    return loaded + startup_s * len(blocks) + around_trial_s * len(trials)
