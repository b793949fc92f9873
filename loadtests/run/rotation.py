"""What a run does next: from what is finished, what it showed, and the time that is left."""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count

from loadtests.host.time_up import TimeUp, cut_off
from loadtests.measure.residents import Residents
from loadtests.measure.tools import Progress, RunContext
from loadtests.plan.adapt import edge_of
from loadtests.plan.overload import overload_s, overload_slices
from loadtests.plan.rotation import slices_of
from loadtests.plan.rounds import AROUND_SLICE_S, PlannedTrial, calibration, residents_of
from loadtests.records.slo import certified
from loadtests.records.trials import TrialRecord
from loadtests.run.history import History
from servers.discovery import Contender

KINDS_OF_ROUNDS = 2
"""At a common level, and at rates of their own."""


class Rotation:
    """Rounds of slices until the time is over; slices that are on disk are not made again.

    waiting holds the contenders that have not been up yet; they form several groups if the memory
    does not hold all at once. groups are those that were up; restless are the contenders in them
    that are paused between their slices (Residents).
    """

    def __init__(
        self,
        contenders: Mapping[str, Contender],
        context: RunContext,
        progress: Progress,
        until_s: float,
    ) -> None:
        self.history = History.read(context.folder, context.experiment, context.run_id)
        self.waiting = residents_of(context.experiment, contenders)
        self.groups: list[list[str]] = []
        self.restless: dict[str, float] = {}
        self._reference = self.waiting[0]
        self._contenders = contenders
        self._context = context
        self._experiment = context.experiment
        self._progress = progress
        self._until_s = until_s
        self._planned_s = self._taken_s = 0.0
        self._rounds_in_all = 0
        progress.begins(self.left_s())

    @contextmanager
    def within_time(self) -> Iterator[None]:
        """A block that ends where the run's time does."""
        try:
            with cut_off(self.left_s()):
                yield
        except TimeUp:
            self.waiting = []

    def left_s(self) -> float:
        """Seconds until measuring must stop."""
        return self._until_s - self._context.tools.clock()

    def calibration(self) -> Iterator[PlannedTrial]:
        """Slices that measure the client alone, against servers that answer at once."""
        for trial in calibration(self._experiment, self._contenders):
            if trial.trial_id not in self.history.records:
                self._progress.starting(trial.contender.name, self.left_s())
                yield trial

    def begin(self, residents: Residents) -> None:
        """Starts waiting contenders, as many as the memory holds, beside the reference."""
        others = [each for each in self.waiting if each != self._reference]
        wanted, group = [self._reference, *others], list[str]()
        self._progress.starting(self._reference.name, self.left_s())
        for name in residents.start(wanted):
            group.append(name)
            if len(group) < len(wanted):
                self._progress.starting(wanted[len(group)].name, self.left_s())
        self.waiting = [each for each in others if each.name not in group]
        self.groups.append(group)
        residents.pause_restless()
        for name, share in residents.restless.items():
            self._context.tools.say(
                f"{name} uses {100 * share:.0f} % of a core without load: it is paused between its "
                "slices."
            )
        self.restless |= residents.restless

    def slices(self, residents: Residents) -> Iterator[PlannedTrial]:
        """Every round of a group, each planned when the one before is saved."""
        group = set(self.groups[-1])
        share = len(group) / (len(group) + len(self.waiting))
        kept_s = overload_s(self._experiment, group)
        until_s = self._context.tools.clock() + share * self.left_s() - kept_s
        last, n_skipped = self.history.last_round, 0
        # A run that was stopped completes its last round; a further group begins one of its own.
        for number in count(max(1, last + (len(self.groups) > 1))):
            planned = self._missing(number, group)
            if number > last and not (planned and self._has_room(number, planned, until_s)):
                n_skipped += 1
                if n_skipped == KINDS_OF_ROUNDS:
                    break
                continue  # the next one is of the other kind, and may be shorter
            yield from self._round(planned)
            if planned:
                self._progress.round_finished(number, self.left_s())
        yield from self._beyond_capacity(group)

    def note(self, trial: PlannedTrial, record: TrialRecord, took_s: float) -> None:
        """Adds a slice that was saved: what comes next depends on it."""
        self.history.add(record)
        if trial.purpose != "calibration":
            self._planned_s += trial.loaded_s + AROUND_SLICE_S
            self._taken_s += took_s
        rounds = max(trial.repeat, self._rounds_in_all)
        self._progress.slice_finished(record, rounds, self.left_s())

    def expected_s(self, planned: Sequence[PlannedTrial]) -> float:
        """How long slices will take, by how long slices have taken so far."""
        pace = self._taken_s / self._planned_s if self._taken_s else 1.0
        return pace * sum(trial.loaded_s + AROUND_SLICE_S for trial in planned)

    def _round(self, planned: Sequence[PlannedTrial]) -> Iterator[PlannedTrial]:
        again = []
        for trial in planned:
            if self.history.is_out(trial.contender.name):
                continue
            yield trial
            record = self.history.records.get(trial.trial_id)
            if record and self.history.to_be_made_again(record):
                again.append(trial.again)
        yield from (trial for trial in again if not self.history.is_out(trial.contender.name))

    def _beyond_capacity(self, group: set[str]) -> Iterator[PlannedTrial]:
        """Overloads every contender of a group, once the rounds are over: what an overload leaves
        unanswered would disturb them."""
        experiment, history = self._experiment, self.history
        spec = experiment.overload
        capacities_rps = {name: edge_of(history.seen(name)).met_rps for name in group}
        for number in range(1, (spec.repeats if spec else 0) + 1):
            for trial in overload_slices(experiment, self._up(group), capacities_rps, number):
                done = trial.trial_id in history.records or history.is_out(trial.contender.name)
                if not done and self.expected_s([trial]) <= self.left_s():
                    yield trial

    def _up(self, group: set[str]) -> dict[str, Contender]:
        return {name: each for name, each in self._contenders.items() if name in group}

    def _missing(self, number: int, group: set[str]) -> list[PlannedTrial]:
        """The slices of a round, of the contenders that are up, that are not on disk yet."""
        # By contender: what it is planned to get now may follow from what it got in this round.
        history, made = self.history, self.history.made_in(number)
        protocols = {each.protocol for each in self._contenders.values()}
        planned = slices_of(
            self._experiment,
            self._up(group),
            number,
            {name: history.seen(name) for name in group},
            certified=certified,
            n_server_cores=len(self._context.cores["server"]),
            highest_valid_rps={each: history.highest_valid_rps(each) for each in protocols},
        )
        return [
            trial
            for trial in planned
            if trial.contender.name in group
            and trial.contender.name not in made
            and not history.is_out(trial.contender.name)
        ]

    def _has_room(self, number: int, planned: Sequence[PlannedTrial], until_s: float) -> bool:
        """Whether a round can be finished: one that is cut off would favour the contenders it
        reached. The first round is always made."""
        most = self._experiment.rounds or math.inf
        round_s, left_s = self.expected_s(planned), until_s - self._context.tools.clock()
        self._rounds_in_all = int(min(number - 1 + left_s / round_s, most))
        return number <= most and (number == 1 or round_s <= left_s)
