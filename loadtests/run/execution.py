"""One execution of an experiment: every planned trial becomes a complete folder of records."""

import math
import time
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime

from loadtests.host.cores import running_on
from loadtests.measure.engines import (
    ENGINES_FILE,
    EngineBench,
    measured_engines,
    wanted_engines,
    write_engines,
)
from loadtests.measure.trial import RunContext
from loadtests.plan import rounds
from loadtests.plan.rounds import CandidateRates, PlannedTrial, ServerSession
from loadtests.plan.tiers import Scope, search_order
from loadtests.records.packing import pack
from loadtests.records.run_folder import remove_unfinished, update_json
from loadtests.records.trials import Dropped, read_begun
from loadtests.run.capacity_search import CapacitySearch
from loadtests.run.forecast import forecast_of
from loadtests.run.sessions import Progress, ServerSessions
from loadtests.spec.inputs import keep_inputs
from servers.discovery import Contender


def execute(
    contenders: Mapping[str, Contender],
    context: RunContext,
    progress: Progress,
    until_s: float = math.inf,
) -> None:
    """Calibration, the search for each contender's capacity, then blocks in random order; trials
    already on disk are kept, the others are made, as far as there is room for them before until_s
    on the clock of time.monotonic."""
    remove_unfinished(context.folder)
    keep_inputs(context.experiment, context.folder)
    run = _Execution(contenders, context, progress, until_s)
    with running_on(context.cores["load"]):
        run.to_its_end()
    pack(context.folder)
    update_json(
        context.folder / "manifest.json",
        finished_at=datetime.now(UTC).isoformat(timespec="seconds"),
        dropped=[asdict(what) for what in run.dropped],
    )


class _Execution:
    """The state of a run: what is finished, what time is left, what had to be dropped."""

    def __init__(
        self,
        contenders: Mapping[str, Contender],
        context: RunContext,
        progress: Progress,
        until_s: float,
    ) -> None:
        self._contenders = contenders
        self._context = context
        self._experiment = context.experiment
        self._progress = progress
        self._forecast = forecast_of(contenders, context, until_s)
        self._history, self._time = self._forecast.history, self._forecast.time
        self._tier = self._forecast.highest_tier()
        self._sessions = ServerSessions(context, self._forecast, progress)

    @property
    def dropped(self) -> list[Dropped]:
        return self._sessions.dropped

    @property
    def _scope(self) -> Scope:
        return self._forecast.tiers[self._tier].scope

    def to_its_end(self) -> None:
        """All phases, and again what there is time for after all, while a time budget lasts."""
        self._time.ahead_s = self._forecast.ahead_s(self._scope)
        self._progress.begins(self._time.left_s())
        while True:
            n_before = len(self._history.records)
            self._sessions.dropped = []
            self._measure_engines()
            self._calibrate()
            self._search()
            self._measure()
            self._drop_tiers_above()
            more = self._sessions.dropped and len(self._history.records) > n_before
            if not (self._time.ends and more):
                break
            self._tier = self._forecast.highest_tier()
        self._sessions.tell_dropped()

    def _measure_engines(self) -> None:
        """Every engine alone, once; the time that the rest of the plan needs is kept free."""
        spec = self._experiment.engines
        done = (self._context.folder / ENGINES_FILE).exists()
        if spec is None or done or not self._scope.engines:
            return
        rest = self._forecast.ahead_s(replace(self._scope, engines=False))
        began_s, rest_s = time.monotonic(), sum(rest.values())
        bench = EngineBench(
            spec,
            self._context.artefacts.model_dir,
            self._context.cores["server"],
            self._experiment.texts,
            lambda: self._time.until_end_s() - rest_s,
        )

        def heard(line: str) -> None:
            self._progress.engine_underway(line, self._time.left_s())

        wanted = wanted_engines(self._contenders[name] for name in self._experiment.contenders)
        facts = []
        for each in measured_engines(wanted, bench, heard):
            facts.append(each)
            self._progress.engine_measured(each, self._time.left_s())
        write_engines(self._context.folder, facts)
        # As planned, by definition: what engines take tells nothing of how trials keep to the plan.
        self._time.passed(time.monotonic() - began_s)
        self._time.ahead_s["engines"] = 0.0

    def _calibrate(self) -> None:
        for session in self._missing(rounds.calibration(self._experiment, self._contenders)):
            self._sessions.session("calibration", iter(session.trials))
        self._time.start_budget()

    def _search(self) -> None:
        """Every contender's highest rate for each SLO, as far as there is time to repeat them."""
        search = self._forecast.search
        if search is None:
            return
        n_before = len(self._history.records)
        order = search_order(self._experiment, reference_first=self._time.ends)
        for k, name in enumerate(order, start=1):
            self._replan()
            if name not in self._scope.search:
                continue
            later_s = rounds.expected_search_s(self._experiment, order[k:], fine=True)
            reserved_s = later_s + self._time.ahead_s["blocks"] if self._scope.fine else math.inf
            others_s = self._forecast.others_s(self._scope, name)
            trials = self._search_and_first_repeat(search, name, reserved_s, others_s)
            self._sessions.session("search", trials, others_s)
            self._time.ahead_s["search"] = later_s
        probed = {
            record.contender_name for record in list(self._history.records.values())[n_before:]
        }
        self._decide_candidate_rates(search, probed)

    def _decide_candidate_rates(self, search: CapacitySearch, probed: Container[str]) -> None:
        """Rates once decided are kept where the search has not gone on since."""
        manifest = self._context.folder / "manifest.json"
        decided = read_begun(self._context.folder).candidate_rates or {}
        kept = {name: rates for name, rates in decided.items() if name not in probed}
        candidate_rates = {**search.affordable_rates(self._blocks_s), **kept}
        update_json(manifest, candidate_rates=candidate_rates)
        if not search.covered_by(candidate_rates):
            detail = "rates found for the SLOs after the first: the budget of time is short"
            self._sessions.drop(Dropped("measurement", 0, None, detail))
        self._forecast.candidate_rates = candidate_rates

    def _measure(self) -> None:
        """The blocks; those after the first are dropped where the budget has no room for them."""
        candidate_rates = self._forecast.candidate_rates
        blocks = rounds.blocks(self._experiment, self._contenders, candidate_rates)
        for repeat in range(1, self._experiment.repeats + 1):
            self._replan()
            block = self._in_scope(session for session in blocks if session.repeat == repeat)
            later = self._in_scope(session for session in blocks if session.repeat > repeat)
            needed_s = rounds.expected_s(block, self._forecast.starts())
            later_s = rounds.expected_s(later, self._forecast.starts())
            self._time.ahead_s = {"blocks": needed_s + later_s}
            needed_s, left_s = self._time.expected_s(needed_s), self._time.budget_left_s()
            # A block above the scope comes after what is below it, in a further pass.
            over = repeat > self._scope.repeats or (repeat > 1 and needed_s > left_s)
            if block and over:
                detail = f"about {needed_s:.0f} s needed, {max(left_s, 0):.0f} s left of the budget"
                self._sessions.drop(Dropped("measurement", repeat, None, detail))
                continue
            for k, session in enumerate(block, start=1):
                rest_s = rounds.expected_s(block[k:], self._forecast.starts())
                self._sessions.session("blocks", self._of_block(session, rest_s), rest_s)

    def _in_scope(self, sessions: Iterable[ServerSession]) -> list[ServerSession]:
        """Those that are in the scope and still missing."""
        mine = self._scope.narrow(sessions, self._experiment, self._forecast.candidate_rates)
        return self._missing(mine)

    def _blocks_s(self, candidate_rates: CandidateRates) -> float:
        """Planned length of what is missing of all blocks at such rates."""
        sessions = rounds.blocks(self._experiment, self._contenders, candidate_rates)
        mine = self._scope.narrow(sessions, self._experiment, candidate_rates)
        return rounds.expected_s(self._missing(mine), self._forecast.starts())

    def _missing(self, sessions: Iterable[ServerSession]) -> list[ServerSession]:
        return rounds.missing(sessions, self._history.records)

    def _search_and_first_repeat(
        self, search: CapacitySearch, name: str, reserved_s: float, others_s: float
    ) -> Iterator[PlannedTrial]:
        """The probes of one contender and, in the same session, its share of the first block.

        One lucky probe must not decide: the rate found is measured again at once, and where both
        together miss the SLO the search goes on below it.
        """
        guessed = rounds.guessed_rates(self._experiment, [name])[name]
        share_s = sum(trial.expected_s for trial in self._first_repeats(name, guessed))
        common_s = sum(trial.expected_s for trial in self._first_repeats(name, []))
        while True:
            yield from search.trials(name, reserved_s, others_s + share_s, self._sessions.drop)
            own = search.found_rates(name)
            trials = self._first_repeats(name, own)
            again = [trial for trial in trials if trial.level.rate_rps in own]
            if not again or not self._time.can_begin(again[0].expected_s + others_s + common_s):
                break
            yield again[0]
        yield from self._within_budget(trials, others_s + common_s)

    def _first_repeats(self, name: str, own: Sequence[float]) -> Sequence[PlannedTrial]:
        """What is missing of a contender's share of the first block."""
        block = rounds.block(self._experiment, self._contenders, 1, {name: own})
        mine = self._scope.narrow(block, self._experiment, {name: own})
        sessions = [session for session in self._missing(mine) if session.contender.name == name]
        return [trial for session in sessions for trial in session.trials]

    def _of_block(self, session: ServerSession, rest_s: float) -> Iterator[PlannedTrial]:
        """rest_s: what the rest of the block is planned to take."""
        name = session.contender.name
        if self._time.ends and self._history.never_served(name):
            for trial in session.trials:
                self._sessions.drop_trial(trial, "it has served nothing so far")
        else:
            start_s = self._forecast.starts().of(name)
            yield from self._within_budget(session.trials, rest_s, start_s)

    def _within_budget(
        self, trials: Sequence[PlannedTrial], others_s: float, start_s: float = 0.0
    ) -> Iterator[PlannedTrial]:
        """Candidate rates must leave others_s, so that all contenders reach the common levels."""
        for trial in trials:
            kept_free_s = 0.0 if trial.level in self._scope.levels else others_s
            if self._time.can_begin(start_s + trial.expected_s + kept_free_s):
                yield trial
                start_s = 0.0
            else:
                self._sessions.drop_trial(trial, "the budget of time had no room for it")

    def _replan(self) -> None:
        """Gives up what there is no time for any more; what a quicker run than planned leaves time
        for after all comes when this is done."""
        if self._time.ends:
            self._tier = min(self._tier, self._forecast.highest_tier())
            self._time.ahead_s = self._forecast.ahead_s(self._scope)

    def _drop_tiers_above(self) -> None:
        lengths_s = self._forecast.lengths_s()
        for k in range(self._tier + 1, len(lengths_s)):
            what, needed_s = self._forecast.tiers[k].left_out, lengths_s[k] - lengths_s[k - 1]
            if what and needed_s > 0:
                detail = f"{what.detail}: about {needed_s:.0f} s that the time budget did not have"
                self._sessions.drop(replace(what, detail=detail))
