"""The options of a run are checked before anything is done for it."""

from pathlib import Path

import pytest

from loadtests.plan.time_budget import BudgetError, report_s
from loadtests.run.options import budget_of, experiment_of
from loadtests.spec.file import SpecError


class Clock:
    """One that only loading the report moves."""

    def __init__(self, loads_in_s: float) -> None:
        self.now_s = 100.0
        self._loads_in_s = loads_in_s

    def __call__(self) -> float:
        return self.now_s

    def load(self) -> None:
        self.now_s += self._loads_in_s


def test_a_budget_keeps_what_the_report_will_take_and_counts_what_is_used() -> None:
    clock = Clock(loads_in_s=5.0)
    budget = budget_of("2m", 3.0, clock, clock.load)
    assert budget is not None
    assert (budget.length_s, budget.began_s, budget.report_s) == (120.0, 97.0, report_s(5.0))


def test_a_budget_that_is_over_once_the_report_is_loaded_is_refused() -> None:
    clock = Clock(loads_in_s=50.0)
    with pytest.raises(BudgetError, match="give more time"):
        budget_of("60s", 3.0, clock, clock.load)


@pytest.mark.parametrize("both", [(None, None), (Path("default"), Path("run"))])
def test_an_experiment_or_a_run_is_asked_for_and_not_both(
    both: tuple[Path | None, Path | None],
) -> None:
    with pytest.raises(SpecError, match="either an experiment file or --resume"):
        experiment_of(*both, None, None)
