"""One execution of an experiment: every planned trial becomes a complete folder of records."""

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from typing import Protocol as Interface

from loadtests import plan
from loadtests.capacity import CapacitySearch
from loadtests.cores import running_on
from loadtests.history import History
from loadtests.plan import OwnRates, PlannedTrial, Visit
from loadtests.records import (
    Dropped,
    TrialRecord,
    read_json,
    read_trial,
    trial_folders,
    write_json,
)
from loadtests.timetable import Timetable
from loadtests.trial import RunContext
from loadtests.visit import run_visit
from servers.discovery import Contender


class Progress(Interface):
    """Told what happens, in order; the edge that prints it is elsewhere."""

    def begins(self, left_s: float) -> None: ...
    def visit_started(self, contender: str, left_s: float) -> None: ...
    def trial_finished(self, trial: PlannedTrial, record: TrialRecord, left_s: float) -> None: ...
    def dropped(self, what: Dropped) -> None: ...


def execute(contenders: Mapping[str, Contender], context: RunContext, progress: Progress) -> None:
    """Calibration, the search for each contender's capacity, then blocks in random order; trials
    already on disk are kept, the others are made."""
    _remove_unfinished(context.folder / "trials")
    run = _Execution(contenders, context, progress)
    with running_on(context.cores["load"]):
        run.calibrate()
        own_rates = run.search()
        run.measure(own_rates)
    _update_json(
        context.folder / "manifest.json",
        finished_at=datetime.now(UTC).isoformat(timespec="seconds"),
        dropped=[asdict(what) for what in run.dropped],
    )


class _Execution:
    """The state of a run: what is finished, what time is left, what had to be dropped."""

    def __init__(
        self, contenders: Mapping[str, Contender], context: RunContext, progress: Progress
    ) -> None:
        self.dropped: list[Dropped] = []
        self._contenders = contenders
        self._context = context
        self._experiment = context.experiment
        self._progress = progress
        self._history = History.read(context.folder, context.experiment)
        capacity = context.experiment.capacity
        budget_s = capacity.budget_s if capacity else None
        self._time = Timetable(budget_s, self._history.spent_s())

    def calibrate(self) -> None:
        visits = plan.calibration(self._experiment, self._contenders)
        guessed = plan.guessed_rates(self._experiment)
        blocks = plan.blocks(self._experiment, self._contenders, guessed)
        # The first block needs no starts of its own: it shares the visits of the search.
        shared_s = plan.STARTUP_S * len(self._experiment.contenders) if guessed else 0.0
        blocks_s = plan.expected_s(visit for block in blocks for visit in self._missing(block))
        self._time.ahead_s = {
            "calibration": plan.expected_s(self._missing(visits)),
            "search": plan.expected_search_s(self._experiment),
            "blocks": max(0.0, blocks_s - shared_s),
        }
        self._progress.begins(self._time.left_s())
        for visit in self._missing(visits):
            self._visit("calibration", iter(visit.trials))
        self._time.start_budget()

    def search(self) -> OwnRates:
        """Every contender's highest rate for each SLO, as far as there is time to repeat them."""
        if self._experiment.capacity is None:
            return {}
        search = CapacitySearch(
            self._experiment, self._experiment.capacity, self._contenders, self._history, self._time
        )
        order = plan.search_order(self._experiment)
        all_s = plan.expected_search_s(self._experiment)
        for k, name in enumerate(order, start=1):
            later_s = all_s * (len(order) - k) / len(order)
            reserved_s = later_s + self._time.ahead_s["blocks"]
            self._visit("search", self._search_and_first_repeat(search, name, reserved_s))
            self._time.ahead_s["search"] = later_s
        manifest = self._context.folder / "manifest.json"
        own_rates: OwnRates = read_json(manifest).get("own_rates") or search.affordable_rates()
        _update_json(manifest, own_rates=own_rates)
        if not search.covered_by(own_rates):
            detail = "rates found for the SLOs after the first: the budget of time is short"
            self._drop(Dropped("measurement", 0, None, detail))
        return own_rates

    def measure(self, own_rates: OwnRates) -> None:
        """The blocks; those after the first are dropped where the budget has no room for them."""
        blocks = [
            self._missing(block)
            for block in plan.blocks(self._experiment, self._contenders, own_rates)
        ]
        for repeat, block in enumerate(blocks, start=1):
            later = [visit for block in blocks[repeat:] for visit in block]
            self._time.ahead_s = {"blocks": plan.expected_s(block) + plan.expected_s(later)}
            needed_s = self._time.expected_s(plan.expected_s(block))
            left_s = self._time.budget_left_s()
            if repeat > 1 and block and needed_s > left_s:
                detail = f"about {needed_s:.0f} s needed, {max(left_s, 0):.0f} s left of the budget"
                self._drop(Dropped("measurement", repeat, None, detail))
                continue
            for visit in block:
                self._visit("blocks", self._within_budget(visit))

    def _missing(self, visits: Sequence[Visit]) -> list[Visit]:
        return plan.missing(visits, self._history.records)

    def _search_and_first_repeat(
        self, search: CapacitySearch, name: str, reserved_s: float
    ) -> Iterator[PlannedTrial]:
        """The probes of one contender and, in the same visit, its share of the first block.

        One lucky probe must not decide: the rate found is measured again at once, and where both
        together miss the SLO the search goes on below it.
        """
        while True:
            yield from search.trials(name, reserved_s, self._drop)
            own = search.found_rates(name)
            block = plan.block(self._experiment, self._contenders, 1, {name: own})
            missing = [v for v in self._missing(block) if v.contender.name == name]
            trials = [trial for visit in missing for trial in visit.trials]
            again = [trial for trial in trials if trial.level.rate_rps in own]
            if not again or self._time.budget_left_s() <= 0:
                break
            yield again[0]
        for visit in missing:
            yield from self._within_budget(visit)

    def _within_budget(self, visit: Visit) -> Iterator[PlannedTrial]:
        for trial in visit.trials:
            if self._time.budget_left_s() > 0:
                yield trial
            else:
                detail = f"{trial.level.label}: the budget of time was used up"
                self._drop(Dropped(trial.purpose, trial.repeat, trial.contender.name, detail))

    def _drop(self, what: Dropped) -> None:
        if what not in self.dropped:
            self.dropped.append(what)
            self._progress.dropped(what)

    def _visit(self, phase: str, trials: Iterator[PlannedTrial]) -> None:
        first = next(trials, None)
        if first is None:
            return

        def finished(trial: PlannedTrial, record: TrialRecord) -> None:
            self._history.add(record)
            planned_s = trial.expected_s + (plan.STARTUP_S if trial is first else 0)
            self._time.passed(planned_s)
            part = "blocks" if trial.purpose in ("measurement", "noise") else phase
            self._time.ahead_s[part] = max(0.0, self._time.ahead_s[part] - planned_s)
            self._progress.trial_finished(trial, record, self._time.left_s())

        self._progress.visit_started(first.contender.name, self._time.left_s())
        run_visit(first, trials, self._context, finished)


def forget_failed(run_dir: Path) -> None:
    """Removes the trials that failed, so that a resumed run makes them again."""
    for folder in trial_folders(run_dir):
        trial = read_trial(folder)
        if trial.status == "failed":
            shutil.rmtree(folder)
            if trial.purpose == "search":  # it goes on, and may find other rates to repeat
                _update_json(run_dir / "manifest.json", own_rates=None)


def _remove_unfinished(trials: Path) -> None:
    """What a killed run left half-written: hidden names, which no reader looks at."""
    for leftover in trials.glob(".*"):
        if leftover.is_dir():
            shutil.rmtree(leftover)
        else:
            leftover.unlink()


def _update_json(path: Path, **changes: Any) -> None:
    partial = path.with_name(f".{path.name}")
    write_json(partial, read_json(path) | changes)
    os.replace(partial, path)
