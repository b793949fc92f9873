"""What a run does next: from what is finished, what it showed, and the time that is left."""

import math
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from loadtests.measure.session import Session
from loadtests.measure.tools import Progress, RunContext
from loadtests.plan import rounds
from loadtests.plan.rounds import CandidateRates, PlannedTrial, ServerSession
from loadtests.plan.tiers import Scope, search_order
from loadtests.plan.timetable import Limits
from loadtests.records.disturbance import was_disturbed
from loadtests.records.run_folder import update_json
from loadtests.records.trials import Dropped, TrialRecord, read_begun
from loadtests.run.forecast import forecast_of
from servers.discovery import Contender
from servers.launch_args import READY_WITHIN_S

PATIENCE_S = 120.0
"""What a start may take at most within a budget of time, or twice what starts took so far: one that
hangs must not keep what is spare for the others."""


class Agenda:
    """Server sessions one by one, each planned when the one before has ended. Trials that are on
    disk are not made again.

    dropped is what this pass over the plan had no time for; where the end is fixed, a further pass
    may make it after all.
    """

    def __init__(
        self,
        contenders: Mapping[str, Contender],
        context: RunContext,
        progress: Progress,
        until_s: float,
    ) -> None:
        self.dropped: list[Dropped] = []
        self._contenders = contenders
        self._context = context
        self._experiment = context.experiment
        self._progress = progress
        self._forecast = forecast_of(contenders, context, until_s)
        self._history, self.time = self._forecast.history, self._forecast.time
        self._tier = self._forecast.highest_tier()

    @property
    def scope(self) -> Scope:
        return self._forecast.tiers[self._tier].scope

    @property
    def next_order(self) -> int:
        """Behind every trial that is there, however many failed ones a resumed run has removed."""
        return 1 + max((record.order for record in self._history.records.values()), default=0)

    def passes(self) -> Iterator[None]:
        """One over all phases; and again, within a budget of time, while there is time after all
        for what was left out."""
        self.time.ahead_s = self._forecast.ahead_s(self.scope)
        self._progress.begins(self.time.left_s())
        more = True
        while more:
            n_before = len(self._history.records)
            self.dropped = []
            yield
            self._drop_tiers_above()
            made = len(self._history.records) > n_before
            more = self.time.ends and made and bool(self.dropped)
            if more:
                self._tier = self._forecast.highest_tier()
        if self.time.ends:
            for what in self.dropped:
                self._progress.dropped(what)

    def after_engines_s(self) -> float:
        """What the rest of the plan needs once every engine is measured alone."""
        return sum(self._forecast.ahead_s(replace(self.scope, engines=False)).values())

    def calibration(self) -> Iterator[Session]:
        """The client alone, against servers that answer at once."""
        planned_sessions = rounds.calibration(self._experiment, self._contenders)
        for planned in rounds.missing(planned_sessions, self._history.records):
            yield from self._sessions(iter(planned.trials))
        self.time.start_budget()

    def search(self) -> Iterator[Session]:
        """Every contender's highest rate for each SLO, as far as there is time to repeat them."""
        if self._experiment.capacity is None:
            return
        n_before = len(self._history.records)
        order = search_order(self._experiment, reference_first=self.time.ends)
        for k, name in enumerate(order, start=1):
            self._replan()
            if name not in self.scope.search:
                continue
            later_s = rounds.expected_search_s(self._experiment, order[k:], fine=True)
            reserved_s = later_s + self.time.ahead_s["blocks"] if self.scope.fine else math.inf
            others_s = self._forecast.others_s(self.scope, name)
            trials = self._search_and_first_repeat(name, reserved_s, others_s)
            yield from self._sessions(trials, others_s)
            self.time.ahead_s["search"] = later_s
        probed = {
            record.contender_name for record in list(self._history.records.values())[n_before:]
        }
        self._decide_candidate_rates(probed)

    def blocks(self) -> Iterator[Session]:
        """Every contender once, in random order, and again; blocks after the first are dropped
        where the budget has no room for them."""
        rates = self._forecast.candidate_rates
        blocks = rounds.blocks(self._experiment, self._contenders, rates)
        for repeat in range(1, self._experiment.repeats + 1):
            self._replan()
            block = self._in_scope((each for each in blocks if each.repeat == repeat), rates)
            later = self._in_scope((each for each in blocks if each.repeat > repeat), rates)
            needed_s, later_s = self._planned_s(block), self._planned_s(later)
            self.time.ahead_s = {"blocks": needed_s + later_s}
            needed_s, left_s = self.time.expected_s(needed_s), self.time.budget_left_s()
            # A block above the scope comes after what is below it, in a further pass.
            over = repeat > self.scope.repeats or (repeat > 1 and needed_s > left_s)
            if block and over:
                detail = f"about {needed_s:.0f} s needed, {max(left_s, 0):.0f} s left of the budget"
                self._drop(Dropped("measurement", repeat, None, detail))
                continue
            for k, planned in enumerate(block, start=1):
                rest_s = self._planned_s(block[k:])
                yield from self._sessions(self._of_block(planned, rest_s), rest_s)

    def note(self, session: Session, trial: PlannedTrial, record: TrialRecord) -> None:
        """Takes note of a trial that was saved: what comes next depends on it."""
        self._history.add(record)
        starts = trial is session.first and not session.restarted
        start_s = self._forecast.starts().of(trial.contender.name) if starts else 0.0
        planned_s = trial.expected_s + start_s
        self.time.passed(planned_s)
        part = trial.purpose if trial.purpose in ("calibration", "search") else "blocks"
        self.time.ahead_s[part] = max(0.0, self.time.ahead_s.get(part, 0.0) - planned_s)
        self._progress.trial_finished(trial, record, self.time.left_s())

    def _sessions(
        self, trials: Iterator[PlannedTrial], kept_free_s: float = 0.0
    ) -> Iterator[Session]:
        """One for all trials, and another where its contender breaks down before the last. They
        leave time for what is planned to take kept_free_s."""
        restarted = False
        for first in trials:
            self._progress.session_started(first.contender.name, self.time.left_s())
            session = Session(first, trials, self._limits(first, kept_free_s), restarted)
            yield session
            restarted = True
            if session.time_is_up:
                self._drop_trial(session.underway, "cut off when the time budget was used up")
                for _ in trials:  # says what else there is no time for
                    pass

    def _limits(self, first: PlannedTrial, kept_free_s: float) -> Limits:
        """A slow start may use what is spare, not the time of others."""
        left_s = self.time.until_end_s()
        spare_s = left_s - self.time.expected_s(kept_free_s + first.expected_s)
        least_s = 2 * max(rounds.STARTUP_S, self._forecast.starts().of(first.contender.name))
        most_s = max(PATIENCE_S, least_s) if self.time.ends else READY_WITHIN_S
        start_s = min(max(spare_s, least_s), left_s, most_s, READY_WITHIN_S)
        return Limits(self.time, start_s, kept_free_s, self._machine_may_quieten)

    def _machine_may_quieten(self) -> bool:
        """Not where the last trial stayed disturbed: to repeat every one would take three times as
        long, and gain nothing."""
        last = next(reversed(self._history.records.values()), None)
        return last is None or not was_disturbed(last)

    def _decide_candidate_rates(self, probed: Container[str]) -> None:
        """Rates once decided are kept where the search has not gone on since."""
        decided = read_begun(self._context.folder).candidate_rates or {}
        kept = {name: rates for name, rates in decided.items() if name not in probed}
        candidate_rates = {**self._forecast.affordable_rates(self._blocks_s), **kept}
        update_json(self._context.folder / "manifest.json", candidate_rates=candidate_rates)
        if not self._forecast.found_are_in(candidate_rates):
            detail = "rates found for the SLOs after the first: the budget of time is short"
            self._drop(Dropped("measurement", 0, None, detail))
        self._forecast.candidate_rates = candidate_rates

    def _in_scope(
        self, sessions: Iterable[ServerSession], rates: CandidateRates
    ) -> list[ServerSession]:
        """Those that are in the scope and still missing."""
        mine = self.scope.narrow(sessions, self._experiment, rates)
        return rounds.missing(mine, self._history.records)

    def _blocks_s(self, rates: CandidateRates) -> float:
        """Planned length of what is missing of all blocks at such rates."""
        blocks = rounds.blocks(self._experiment, self._contenders, rates)
        return self._planned_s(self._in_scope(blocks, rates))

    def _planned_s(self, sessions: Iterable[ServerSession]) -> float:
        return rounds.expected_s(sessions, self._forecast.starts())

    def _search_and_first_repeat(
        self, name: str, reserved_s: float, others_s: float
    ) -> Iterator[PlannedTrial]:
        """The probes of one contender and, in the same session, its share of the first block.

        One lucky probe must not decide: the rate found is measured again at once, and where both
        together miss the SLO the search goes on below it.
        """
        guessed = rounds.guessed_rates(self._experiment, [name])[name]
        share_s = sum(trial.expected_s for trial in self._first_repeats(name, guessed))
        common_s = sum(trial.expected_s for trial in self._first_repeats(name, []))
        while True:
            yield from self._forecast.probes(name, reserved_s, others_s + share_s, self._drop)
            own = self._forecast.found_rates(name)
            trials = self._first_repeats(name, own)
            again = [trial for trial in trials if trial.level.rate_rps in own]
            if not again or not self.time.can_begin(again[0].expected_s + others_s + common_s):
                break
            yield again[0]
        yield from self._within_budget(trials, others_s + common_s)

    def _first_repeats(self, name: str, own: Sequence[float]) -> Sequence[PlannedTrial]:
        """What is missing of a contender's share of the first block."""
        block = rounds.block(self._experiment, self._contenders, 1, {name: own})
        missing = self._in_scope(block, {name: own})
        return [t for each in missing if each.contender.name == name for t in each.trials]

    def _of_block(self, planned: ServerSession, rest_s: float) -> Iterator[PlannedTrial]:
        """rest_s: what the rest of the block is planned to take."""
        name = planned.contender.name
        if self.time.ends and self._history.never_served(name):
            for trial in planned.trials:
                self._drop_trial(trial, "it has served nothing so far")
        else:
            start_s = self._forecast.starts().of(name)
            yield from self._within_budget(planned.trials, rest_s, start_s)

    def _within_budget(
        self, trials: Sequence[PlannedTrial], others_s: float, start_s: float = 0.0
    ) -> Iterator[PlannedTrial]:
        """Candidate rates must leave others_s, so that all contenders reach the common levels."""
        for trial in trials:
            kept_free_s = 0.0 if trial.level in self.scope.levels else others_s
            if self.time.can_begin(start_s + trial.expected_s + kept_free_s):
                yield trial
                start_s = 0.0
            else:
                self._drop_trial(trial, "the budget of time had no room for it")

    def _replan(self) -> None:
        """Gives up what there is no time for any more; what a quicker run than planned leaves time
        for after all comes when this is done."""
        if self.time.ends:
            self._tier = min(self._tier, self._forecast.highest_tier())
            self.time.ahead_s = self._forecast.ahead_s(self.scope)

    def _drop_tiers_above(self) -> None:
        lengths_s = self._forecast.lengths_s()
        for k in range(self._tier + 1, len(lengths_s)):
            what, needed_s = self._forecast.tiers[k].left_out, lengths_s[k] - lengths_s[k - 1]
            if what and needed_s > 0:
                detail = f"{what.detail}: about {needed_s:.0f} s that the time budget did not have"
                self._drop(replace(what, detail=detail))

    def _drop_trial(self, trial: PlannedTrial, why: str) -> None:
        detail = f"{trial.level.in_words}: {why}"
        self._drop(Dropped(trial.purpose, trial.repeat, trial.contender.name, detail))

    def _drop(self, what: Dropped) -> None:
        if what not in self.dropped:
            self.dropped.append(what)
            if not self.time.ends:
                self._progress.dropped(what)
