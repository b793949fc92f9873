"""What a slice is planned to be, and the slices that calibrate the client before the rounds."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from loadtests.records.overload import Overload
from loadtests.records.trials import Level, Phases, Purpose
from loadtests.spec.experiment import Experiment
from servers.discovery import Contender

AROUND_SLICE_S = 0.5
STARTUP_S = 4.0
"""Seconds of a slice beside warm-up and steady state, and of a start, before either was seen."""


@dataclass(frozen=True)
class PlannedTrial:
    """schedule_seed depends on level and repeat only: every contender gets the same schedule.
    anew: its contender is restarted before it."""

    trial_id: str
    purpose: Purpose
    contender: Contender
    level: Level
    repeat: int
    phases: Phases
    schedule_seed: tuple[int, ...]
    overload: Overload | None = None
    attempt: int = 1
    anew: bool = False

    @property
    def again(self) -> "PlannedTrial":
        """The same slice, made a second time at the end of its round."""
        return replace(self, trial_id=f"{self.trial_id}-2", attempt=2, anew=False)

    @property
    def load_phases(self) -> Phases:
        """The phases of the load generator, which keeps sending after an overload."""
        after_s = self.overload.recover_s if self.overload else 0.0
        return replace(self.phases, steady_s=self.phases.steady_s + after_s)

    @property
    def loaded_s(self) -> float:
        """How long load is offered."""
        return self.load_phases.warmup_s + self.load_phases.steady_s


def calibration(experiment: Experiment, contenders: Mapping[str, Contender]) -> list[PlannedTrial]:
    """Closed-loop slices against the null servers: what the client itself can do."""
    spec = experiment.calibration
    if spec is None:
        return []
    level = Level("closed", concurrency=spec.concurrency)
    phases = Phases(spec.warmup_s, spec.steady_s)
    return [
        planned_trial(experiment, contenders[name], "calibration", level, 1, phases)
        for name in spec.contenders
    ]


def planned_trial(
    experiment: Experiment,
    contender: Contender,
    purpose: Purpose,
    level: Level,
    repeat: int,
    phases: Phases,
) -> PlannedTrial:
    """repeat: the number of the round, from 1."""
    prefix = purpose if purpose == "calibration" else f"r{repeat}"
    if level.rate_rps is None:
        load_seed = (0, level.concurrency or 0)
    else:
        load_seed = (round(level.rate_rps * 1000), 0)
    return PlannedTrial(
        trial_id=f"{prefix}-{contender.name}-{level.label}",
        purpose=purpose,
        contender=contender,
        level=level,
        repeat=repeat,
        phases=phases,
        schedule_seed=(experiment.seed, repeat, *load_seed),
    )


def residents_of(experiment: Experiment, contenders: Mapping[str, Contender]) -> list[Contender]:
    """Everything that must be up, the reference first; the contender of the A/A test twice."""
    names = sorted(experiment.contenders, key=lambda name: name != experiment.reference)
    every = [contenders[name] for name in names]
    if experiment.aa_copy:
        every.append(replace(contenders[str(experiment.aa_test)], name=experiment.aa_copy))
    return every


def expected_lengths_s(
    experiment: Experiment, contenders: Mapping[str, Contender], one_at_a_time: bool = False
) -> tuple[float, float]:
    """The length of what precedes the first round, and of a round, before either was seen."""
    n = len(residents_of(experiment, contenders))
    before = calibration(experiment, contenders)
    before_s = sum(STARTUP_S + trial.loaded_s + AROUND_SLICE_S for trial in before)
    slice_s = experiment.load.warmup_s + experiment.load.steady_s + AROUND_SLICE_S
    if one_at_a_time:
        return before_s, n * (STARTUP_S + slice_s)
    return before_s + n * STARTUP_S, n * slice_s
