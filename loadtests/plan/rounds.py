"""From an experiment to its trials, by sessions: calibration, search, then seeded random blocks."""

import random
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean

from loadtests.records.overload import Overload
from loadtests.records.trials import Level, Phases, Purpose
from loadtests.spec.experiment import CapacitySpec, Experiment
from servers.discovery import Contender

STARTUP_S = 5.0
AROUND_TRIAL_S = 1.5
"""What a session and a trial take beside warm-up and steady state, before anything is measured."""

PROBES = 5
"""Probes of a search for one SLO, before anything is measured; each further SLO adds one."""

ENGINE_S = 30.0
"""What measuring one engine alone takes, before it is known: most of it is loading."""


CandidateRates = Mapping[str, Sequence[float]]
"""By contender: the rates found for it, at which the blocks certify what the search saw."""


@dataclass(frozen=True)
class PlannedTrial:
    """schedule_seed depends on level and repeat only: every contender gets the same schedule."""

    trial_id: str
    purpose: Purpose
    contender: Contender
    level: Level
    repeat: int
    phases: Phases
    schedule_seed: tuple[int, ...]
    overload: Overload | None = None

    @property
    def expected_s(self) -> float:
        return self.load_s + AROUND_TRIAL_S

    @property
    def load_phases(self) -> Phases:
        """Those of the load generator, which sends on after an overload."""
        after_s = self.overload.recover_s if self.overload else 0.0
        return replace(self.phases, steady_s=self.phases.steady_s + after_s)

    @property
    def load_s(self) -> float:
        """How long requests are sent."""
        return self.load_phases.warmup_s + self.load_phases.steady_s


@dataclass(frozen=True)
class ServerSession:
    """Trials that share one start of one contender."""

    contender: Contender
    trials: tuple[PlannedTrial, ...]

    @property
    def repeat(self) -> int:
        return self.trials[0].repeat


@dataclass(frozen=True)
class Starts:
    """Seconds that a start takes: as seen (by contender), or like those seen, or as planned."""

    seen_s: Mapping[str, float] = field(default_factory=dict)

    def of(self, contender: str) -> float:
        usual_s = fmean(self.seen_s.values()) if self.seen_s else STARTUP_S
        return self.seen_s.get(contender, usual_s)


AS_PLANNED = Starts()


def calibration(experiment: Experiment, contenders: Mapping[str, Contender]) -> list[ServerSession]:
    """Closed-loop trials against the null servers: what the client itself can do."""
    spec = experiment.calibration
    if spec is None:
        return []
    level = Level("closed", concurrency=spec.concurrency)
    phases = Phases(spec.warmup_s, spec.steady_s)
    null_servers = [contenders[name] for name in spec.contenders]
    return [
        ServerSession(each, (_trial(experiment, each, "calibration", level, 1, phases),))
        for each in null_servers
    ]


def search_order(experiment: Experiment) -> list[str]:
    """The contenders in the seeded random order in which the search starts them."""
    return _shuffled(experiment, 0, experiment.contenders)


def probe(
    experiment: Experiment, spec: CapacitySpec, who: Contender, rate_rps: float, earlier: int = 0
) -> PlannedTrial:
    """The trial that shows whether a contender meets the SLOs at this rate; earlier: the probes
    already made of it, since one in doubt is made again, with other arrivals."""
    phases = Phases(spec.warmup_s, spec.steady_s)
    trial = _trial(experiment, who, "search", Level("open", rate_rps=rate_rps), 0, phases)
    if not earlier:
        return trial
    return replace(
        trial,
        trial_id=trial.trial_id.replace("search", f"search{earlier + 1}", 1),
        schedule_seed=(*trial.schedule_seed, earlier),
    )


def block(
    experiment: Experiment,
    contenders: Mapping[str, Contender],
    repeat: int,
    candidate_rates: CandidateRates,
) -> list[ServerSession]:
    """One repeat: every contender once, in a fresh random order, at the common levels and at the
    rates found for it; the A/A test's second run at the levels it shares with its base.

    Repeating whole blocks in changing order, instead of one contender after the other, keeps
    slow changes of the machine (heat, other load) from favouring one contender.
    """
    common = experiment.load.levels()
    sessions = []
    for name in _shuffled(experiment, repeat, (*experiment.contenders, *_aa_copies(experiment))):
        base = name if name in experiment.contenders else str(experiment.aa_test)
        purpose: Purpose = "measurement" if name == base else "noise"
        own = [Level("open", rate_rps=rate) for rate in candidate_rates.get(base, ())]
        levels = dict.fromkeys([*common, *own] if name == base else common or own)
        contender = replace(contenders[base], name=name)
        trials = tuple(
            _trial(experiment, contender, purpose, level, repeat, _phases(experiment, level))
            for level in random.Random(f"{experiment.seed} {repeat} {name}").sample(
                list(levels), len(levels)
            )
        )
        if trials:
            sessions.append(ServerSession(contender, trials))
    return sessions


def blocks(
    experiment: Experiment, contenders: Mapping[str, Contender], candidate_rates: CandidateRates
) -> list[ServerSession]:
    """The sessions of all repeats."""
    repeats = range(1, experiment.repeats + 1)
    return [
        session for k in repeats for session in block(experiment, contenders, k, candidate_rates)
    ]


def missing(sessions: Iterable[ServerSession], done: Container[str]) -> list[ServerSession]:
    """The sessions with the trials whose ids are not in done."""
    left = [
        ServerSession(session.contender, tuple(t for t in session.trials if t.trial_id not in done))
        for session in sessions
    ]
    return [session for session in left if session.trials]


def guessed_rates(experiment: Experiment, contenders: Iterable[str]) -> CandidateRates:
    """Stands for the rates found, before anything is known, to tell how long the run will be."""
    spec = experiment.capacity
    if spec is None:
        return {}
    return dict.fromkeys(contenders, [spec.start_rps * spec.resolution])


def expected_search_s(
    experiment: Experiment, contenders: Iterable[str], fine: bool, starts: Starts = AS_PLANNED
) -> float:
    """A rough length of the search of these contenders; not fine: the first SLO only, and that to
    two steps of the grid."""
    spec = experiment.capacity
    if spec is None:
        return 0.0
    probes = PROBES + len(experiment.more_slos) if fine else PROBES - 1
    probes_s = probes * (spec.warmup_s + spec.steady_s + AROUND_TRIAL_S)
    return sum(starts.of(name) + probes_s for name in contenders)


def expected_s(sessions: Iterable[ServerSession], starts: Starts = AS_PLANNED) -> float:
    """A rough length of the sessions."""
    return sum(
        starts.of(session.contender.name) + sum(trial.expected_s for trial in session.trials)
        for session in sessions
    )


def _aa_copies(experiment: Experiment) -> tuple[str, ...]:
    return (experiment.aa_copy,) if experiment.aa_copy else ()


def _shuffled(experiment: Experiment, repeat: int, names: Sequence[str]) -> list[str]:
    return random.Random(f"{experiment.seed} {repeat}").sample(names, len(names))


def _phases(experiment: Experiment, level: Level) -> Phases:
    return Phases(experiment.load.warmup_s, experiment.load.steady_for(level))


def _trial(
    experiment: Experiment,
    contender: Contender,
    purpose: Purpose,
    level: Level,
    repeat: int,
    phases: Phases,
) -> PlannedTrial:
    prefix = purpose if purpose in ("calibration", "search") else f"r{repeat}"
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
