"""The options of a run are checked before anything is done for it."""

from pathlib import Path

import pytest

from loadtests.plan.rounds import AROUND_SLICE_S
from loadtests.plan.time_budget import BudgetError, TimeBudget
from loadtests.records.experiment import LoadSpec
from loadtests.records.trials import Level, Phases, TrialRecord, write_trial
from loadtests.run.options import RunOptions, experiment_of
from loadtests.spec.experiment import Experiment
from loadtests.spec.file import SpecError


def options(resumed: Path | None = None, budget_s: float | None = None) -> RunOptions:
    def read() -> Experiment:
        raise AssertionError

    return RunOptions(read, Path(), "study run", resumed, 97.0, budget_s, report_s=12.0)


EXPERIMENT = Experiment(
    name="t", contenders=("fastapi",), load=LoadSpec(rates_rps=(10,)), time_budget_s=300
)


def test_without_a_budget_given_the_experiments_own_holds_and_keeps_time_for_the_report() -> None:
    assert options().budget(EXPERIMENT) == TimeBudget(300, 97.0, 12.0)
    assert options(budget_s=60).budget(EXPERIMENT) == TimeBudget(60, 97.0, 12.0)


def test_of_a_run_that_is_continued_what_its_slices_took_is_used(tmp_path: Path) -> None:
    folder = tmp_path / "trials" / "r1-a-10rps"
    folder.mkdir(parents=True)
    contender = {
        **{"name": "a", "server": "s", "protocol": "http-json", "engine": "none"},
        **{"setting": "tuned", "batching": False, "summary": "One.", "components": 1},
    }
    record = TrialRecord(
        *("r1-a-10rps", "measurement", contender, Level("open", 10.0), 1, 1, "completed"),
        phases=Phases(0.4, 2.5, 0.1),
    )
    write_trial(folder, record)
    left_s = options(resumed=tmp_path).budget(EXPERIMENT).length_s
    assert left_s == pytest.approx(300 - 3.0 - AROUND_SLICE_S)
    assert options(resumed=tmp_path, budget_s=60).budget(EXPERIMENT).length_s == 60


def test_a_budget_that_the_end_alone_takes_is_refused_in_words() -> None:
    with pytest.raises(BudgetError, match="more than 0:16, .* found 0:15; give more time"):
        options(budget_s=15).budget(EXPERIMENT)


@pytest.mark.parametrize("both", [(None, None), (Path("default"), Path("run"))])
def test_an_experiment_or_a_run_is_asked_for_and_not_both(
    both: tuple[Path | None, Path | None],
) -> None:
    with pytest.raises(SpecError, match="either an experiment file or --resume"):
        experiment_of(*both, None, None)
