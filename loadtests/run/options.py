"""The options of a run, checked before anything is done for it."""

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from loadtests.host.locks import writing
from loadtests.plan.time_budget import TimeBudget, report_s, seconds, with_time_left
from loadtests.records.trials import read_begun
from loadtests.spec.experiment import Experiment
from loadtests.spec.file import SpecError, read_experiment, stored_experiment
from loadtests.spec.overrides import with_overrides


@dataclass(frozen=True)
class RunOptions:
    """read: gives the experiment, or a SpecError. resumed: the run to continue; otherwise a new
    one is begun under results."""

    read: Callable[[], Experiment]
    results: Path
    command: str
    resumed: Path | None = None
    budget: TimeBudget | None = None

    @property
    def until_s(self) -> float:
        """When nothing may be measured any more."""
        return self.budget.until_s if self.budget else math.inf

    def reserved(self) -> AbstractContextManager[None]:
        """Nobody else continues the run meanwhile; a new one is reserved where it begins."""
        return writing(self.resumed, self.command) if self.resumed else nullcontext()


def experiment_of(
    experiment: Path | None, resumed: Path | None, model: str | None, texts: Path | None
) -> Experiment:
    """That of a file, with the model and texts given, or that of a run, which keeps its own."""
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


def budget_of(
    text: str | None, used_s: float, clock: Callable[[], float], load_report: Callable[[], object]
) -> TimeBudget | None:
    """The budget that text names, used_s of which are over; what load_report takes tells how long
    the report will take. BudgetError where it is none, or leaves no time."""
    if text is None:
        return None
    length_s, now_s = seconds(text), clock()
    load_report()
    loaded_s = clock()
    return with_time_left(
        TimeBudget(length_s, now_s - used_s, report_s(loaded_s - now_s)), loaded_s
    )
