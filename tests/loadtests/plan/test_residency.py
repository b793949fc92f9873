"""residency.toml: the same rounds with all contenders up and with each alone."""

from pathlib import Path

import pytest

from loadtests.plan.rounds import expected_lengths_s
from loadtests.spec.contenders import resolve_contenders
from loadtests.spec.file import read_experiment

EXPERIMENT = Path(__file__).parents[3] / "loadtests" / "experiments" / "residency.toml"
LEAST_ROUNDS, REPORT_S = 10, 30.0


@pytest.mark.parametrize("isolated", [False, True], ids=["all up", "each alone"])
def test_the_time_of_the_residency_experiment_is_enough_for_ten_rounds(isolated: bool) -> None:
    experiment = read_experiment(EXPERIMENT)
    contenders = resolve_contenders(experiment)
    before_s, round_s = expected_lengths_s(experiment, contenders, isolated)
    assert before_s + LEAST_ROUNDS * round_s + REPORT_S <= experiment.time_budget_s


def test_the_residency_experiment_spends_all_rounds_on_what_both_modes_can_be_compared_in() -> None:
    experiment = read_experiment(EXPERIMENT)
    assert experiment.capacity is None
    assert experiment.overload is None
    assert experiment.aa_test in experiment.contenders
