"""Server sessions within the time of a run: finished trials noted, what has no time dropped."""

from collections.abc import Iterator
from typing import Protocol as Interface

from loadtests.measure.session import run_session
from loadtests.measure.trial import RunContext
from loadtests.plan import rounds
from loadtests.plan.rounds import PlannedTrial
from loadtests.plan.timetable import Limits, TimeUp
from loadtests.records.disturbance import was_disturbed
from loadtests.records.engines import EngineFacts
from loadtests.records.trials import Dropped, TrialRecord
from loadtests.run.forecast import Forecast
from servers.launch_args import READY_WITHIN_S

PATIENCE_S = 120.0
"""What a start may take at most within a budget of time, or twice what starts took so far: one that
hangs must not keep what is spare for the others."""


class Progress(Interface):
    """Told what happens, in order; the edge that prints it is elsewhere."""

    def begins(self, left_s: float) -> None: ...
    def engine_underway(self, line: str, left_s: float) -> None: ...
    def engine_measured(self, facts: EngineFacts, left_s: float) -> None: ...
    def session_started(self, contender: str, left_s: float) -> None: ...
    def trial_finished(self, trial: PlannedTrial, record: TrialRecord, left_s: float) -> None: ...
    def dropped(self, what: Dropped) -> None: ...


class ServerSessions:
    """Makes sessions one by one. dropped is what this pass over the plan had no time for; where the
    end is fixed, a further pass may make it after all, and it is told by tell_dropped only."""

    def __init__(self, context: RunContext, forecast: Forecast, progress: Progress) -> None:
        self.dropped: list[Dropped] = []
        self._context = context
        self._forecast = forecast
        self._time = forecast.time
        self._progress = progress

    def drop_trial(self, trial: PlannedTrial, why: str) -> None:
        detail = f"{trial.level.in_words}: {why}"
        self.drop(Dropped(trial.purpose, trial.repeat, trial.contender.name, detail))

    def drop(self, what: Dropped) -> None:
        if what not in self.dropped:
            self.dropped.append(what)
            if not self._time.ends:
                self._progress.dropped(what)

    def tell_dropped(self) -> None:
        if self._time.ends:
            for what in self.dropped:
                self._progress.dropped(what)

    def session(self, phase: str, trials: Iterator[PlannedTrial], kept_free_s: float = 0.0) -> None:
        """A session that leaves time for what is planned to take kept_free_s."""
        first = next(trials, None)
        if first is None:
            return
        current = first

        def others() -> Iterator[PlannedTrial]:
            nonlocal current
            for trial in trials:
                current = trial
                yield trial

        def finished(trial: PlannedTrial, record: TrialRecord) -> None:
            self._forecast.history.add(record)
            start_s = self._forecast.starts().of(trial.contender.name)
            planned_s = trial.expected_s + (start_s if trial is first else 0)
            self._time.passed(planned_s)
            part = "blocks" if trial.purpose in ("measurement", "noise") else phase
            self._time.ahead_s[part] = max(0.0, self._time.ahead_s.get(part, 0.0) - planned_s)
            self._progress.trial_finished(trial, record, self._time.left_s())

        self._progress.session_started(first.contender.name, self._time.left_s())
        try:
            run_session(first, others(), self._context, self._limits(first, kept_free_s), finished)
        except TimeUp:
            self.drop_trial(current, "cut off when the time budget was used up")
            for _ in trials:  # says what else there is no time for
                pass

    def _limits(self, first: PlannedTrial, kept_free_s: float) -> Limits:
        """A slow start may use what is spare, not the time of others."""
        left_s = self._time.until_end_s()
        spare_s = left_s - self._time.expected_s(kept_free_s + first.expected_s)
        least_s = 2 * max(rounds.STARTUP_S, self._forecast.starts().of(first.contender.name))
        most_s = max(PATIENCE_S, least_s) if self._time.ends else READY_WITHIN_S
        start_s = min(max(spare_s, least_s), left_s, most_s, READY_WITHIN_S)
        return Limits(self._time, start_s, kept_free_s, self._machine_may_quieten)

    def _machine_may_quieten(self) -> bool:
        """Not where the last trial stayed disturbed: to repeat every one would take three times as
        long, and gain nothing."""
        last = next(reversed(self._forecast.history.records.values()), None)
        return last is None or not was_disturbed(last)
