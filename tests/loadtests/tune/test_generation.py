"""The experiment of a generation, and how the time is divided."""

from dataclasses import astuple
from pathlib import Path

import pytest

from loadtests.plan.time_budget import BudgetError
from loadtests.records.stored import RecordError
from loadtests.records.tuning import read_tuning, write_tuning
from loadtests.spec.contenders import resolve_contenders
from loadtests.tune.generation import final, generation, least_s, settings_of, shares
from loadtests.tune.plan import planned

from .drafts import draft

CANDIDATES = {"c1": {"max_batch_size": 8}, "c2": {"instances": 2, "max_queue_delay_us": 500}}


def test_the_default_is_always_up_beside_the_candidates_and_the_reference() -> None:
    tuning = draft()
    for experiment in (
        generation(tuning, 1, CANDIDATES, None),
        final(tuning, CANDIDATES, None),
    ):
        assert experiment.contenders == ("triton", "c1", "c2")
        assert experiment.reference == "triton"
        contenders = resolve_contenders(experiment)
        assert contenders["c1"].options["max_batch_size"] == 8
        assert contenders["c2"].options["max_batch_size"] == 32
        assert experiment.calibration is not None
        assert experiment.calibration.contenders == ("null-grpc",)


def test_a_gateway_is_calibrated_by_its_own_protocol() -> None:
    experiment = generation(draft("hybrid"), 1, {}, None)
    assert experiment.calibration is not None
    assert experiment.calibration.contenders == ("null-http",)


def test_the_search_for_capacity_begins_where_that_of_the_default_was_found() -> None:
    def start_rps(found_rps: float | None) -> float:
        capacity = generation(draft(), 2, CANDIDATES, found_rps).capacity
        assert capacity is not None
        return capacity.start_rps

    assert [start_rps(found) for found in (None, 312.6, 1e6, 0.2)] == [50, 313, 5000, 1]


def test_the_last_generation_is_surer_and_has_an_a_a_test() -> None:
    last, before = final(draft(), CANDIDATES, 300), generation(draft(), 1, CANDIDATES, 300)
    assert (last.aa_test, before.aa_test) == ("triton", None)
    assert last.restarts_per_round == 1
    assert last.least_capacity_difference == pytest.approx(0.05)
    assert before.least_capacity_difference == pytest.approx(0.1)


def test_whole_configurations_are_read_again_from_an_experiment() -> None:
    tuning = draft()
    found = settings_of(generation(tuning, 1, CANDIDATES, None), tuning)
    assert found == {name: {**tuning.default, **own} for name, own in CANDIDATES.items()}


def test_six_tenths_of_the_time_go_to_as_many_generations_as_fit() -> None:
    assert astuple(shares(1020, 200, 300)) == (3, 200, 400)
    assert astuple(shares(920, 200, 300)) == (2, 270, 360)


def test_the_last_generation_keeps_what_it_needs() -> None:
    assert astuple(shares(620, 200, 400)) == (1, 200, 400)
    assert astuple(shares(720, 200, 400)) == (1, 300, 400)


def test_too_little_time_for_one_generation_and_the_last_is_refused() -> None:
    with pytest.raises(BudgetError, match=r"expected at least 8:40 .* found 8:39; give more time"):
        shares(519, 200, 300)


def test_more_candidates_need_more_time() -> None:
    tuning = draft()
    one = least_s(generation(tuning, 1, {"c1": tuning.default}, None), 8)
    two = least_s(generation(tuning, 1, CANDIDATES, None), 8)
    assert two > one > 60


def test_a_plan_fills_the_time_that_is_left() -> None:
    tuning = planned(draft(), 1020)
    assert tuning.generations >= 2
    whole_s = tuning.generations * tuning.generation_s + tuning.final_s
    assert whole_s == pytest.approx(1000)


def test_what_was_asked_is_read_again_as_it_was(tmp_path: Path) -> None:
    tuning = planned(draft(n_cores=4), 1800)
    write_tuning(tmp_path, tuning)
    found = read_tuning(tmp_path)
    assert found == tuning
    assert [type(value) for value in found.default.values()] == [
        type(value) for value in tuning.default.values()
    ]


def test_a_day_is_the_most_that_a_search_may_take() -> None:
    assert planned(draft(), 86_400.0).final_s < 86_400
    with pytest.raises(BudgetError, match="expected a time budget of at most 24h for a search"):
        planned(draft(), 86_401.0)


def test_a_search_whose_default_is_not_among_its_values_is_damaged(tmp_path: Path) -> None:
    tuning = draft()
    write_tuning(
        tmp_path, tuning.model_copy(update={"default": {**tuning.default, "instances": 3}})
    )
    with pytest.raises(RecordError, match="expected the default of instances among its values"):
        read_tuning(tmp_path)
