"""The options of a run, checked before anything is done for it."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from loadtests.host.locks import writing
from loadtests.measure.locust_process import Listen
from loadtests.plan.rounds import AROUND_SLICE_S
from loadtests.plan.time_budget import BudgetError, TimeBudget
from loadtests.records.durations import clock
from loadtests.records.run_trials import read_trials
from loadtests.records.trials import read_begun
from loadtests.run.stops import says_how_to_resume
from loadtests.spec.experiment import Experiment
from loadtests.spec.file import SpecError, read_experiment, stored_experiment
from loadtests.spec.overrides import with_overrides


@dataclass(frozen=True)
class RunOptions:
    """read: gives the experiment, or a SpecError. resumed: the run to continue; otherwise a new
    one is begun under results. began_s: when the command did, on the clock of its tools; budget_s
    None: the experiment's own. one_at_a_time: contenders are started for each slice, alone.
    listen: where load workers on other hosts join; None: they are started here. stops: the block
    in which the folder is filled, which says of whatever stops it how to go on."""

    read: Callable[[], Experiment]
    results: Path
    command: str
    resumed: Path | None = None
    began_s: float = field(default_factory=time.monotonic)
    budget_s: float | None = None
    report_s: float = 0.0
    one_at_a_time: bool = False
    listen: Listen | None = None
    stops: Callable[[Path], AbstractContextManager[None]] = says_how_to_resume

    def budget(self, experiment: Experiment) -> TimeBudget:
        """The budget given, else the experiment's less what a continued run has used; BudgetError
        if ending the run alone takes all of it."""
        length_s = self.budget_s
        if length_s is None:
            length_s = experiment.time_budget_s - (spent_s(self.resumed) if self.resumed else 0.0)
        budget = TimeBudget(max(0.0, length_s), self.began_s, self.report_s)
        if budget.length_s <= budget.closing_s:
            raise BudgetError(
                f"expected a time budget of more than {clock(budget.closing_s)}, which the end and "
                f"its report take, found {clock(budget.length_s)}"
                f"{' left of the run' if self.budget_s is None and self.resumed else ''}; "
                "give more time with --time-budget."
            )
        return budget

    def reserved(self) -> AbstractContextManager[None]:
        """Keeps others from continuing the run meanwhile; a new run is reserved where it begins."""
        return writing(self.resumed, self.command) if self.resumed else nullcontext()


def spent_s(folder: Path) -> float:
    """How long the slices of a run have taken."""
    phases = [record.phases for record in read_trials(folder).values()]
    loaded = [each.warmup_s + each.steady_s + each.drain_s for each in phases if each]
    return sum(loaded) + AROUND_SLICE_S * len(loaded)


def experiment_of(
    experiment: Path | None, resumed: Path | None, model: str | None, texts: Path | None
) -> Experiment:
    """The experiment of a file, with the model and texts given, or that of a run to continue."""
    if experiment and not resumed:
        return with_overrides(read_experiment(experiment), model, texts)
    if not resumed or experiment:
        raise SpecError(
            "expected either an experiment file or --resume with the folder of a run; "
            "`study list` names both."
        )
    if model or texts:
        raise SpecError(
            "expected no --model and no --texts beside --resume, found one: a run keeps its own; "
            "leave it out, or start a new run."
        )
    return stored_experiment(read_begun(resumed).experiment, resumed)
