"""Trials beyond capacity: equal multiples of each contender's own."""

from types import SimpleNamespace

import numpy as np
import pytest

from loadtests.generator.schedule import Schedule
from loadtests.measure.trial import make_schedule
from loadtests.plan.overload import overload_slices
from loadtests.plan.rounds import PlannedTrial
from loadtests.records.experiment import LoadSpec
from loadtests.records.overload import OverloadSpec
from loadtests.spec.experiment import Experiment
from servers.discovery import discover

CAPACITY_RPS = {"fastapi": 93.8, "triton": 400.0, "hybrid": None}


def experiment(**changes: object) -> Experiment:
    fields = {
        "name": "t",
        "seed": 1,
        "contenders": ("fastapi", "triton", "hybrid"),
        "load": LoadSpec(rates_rps=(10,), warmup_s=0.5),
        "overload": OverloadSpec(factors=(1, 1.5, 2), overload_s=3, recover_s=4),
    }
    return Experiment(**fields | changes)


def planned(round_number: int = 1, **changes: object) -> list[PlannedTrial]:
    return overload_slices(experiment(**changes), discover(), CAPACITY_RPS, round_number)


def schedule_of(trial: PlannedTrial) -> Schedule:
    context = SimpleNamespace(
        artefacts=SimpleNamespace(texts=range(100)), experiment=SimpleNamespace(load=LoadSpec())
    )
    return make_schedule(trial, context)


def n_between(schedule: Schedule, start_s: float, end_s: float) -> int:
    times = schedule.times_s
    return int(((times >= start_s) & (times < end_s)).sum())


def test_every_contender_with_a_capacity_gets_every_multiple_of_its_own_once() -> None:
    offered = {(t.contender.name, t.overload.factor): t.level.rate_rps for t in planned()}
    assert offered == {
        ("fastapi", 1): 93.8,
        ("fastapi", 1.5): 141.0,
        ("fastapi", 2): 188.0,
        ("triton", 1): 400.0,
        ("triton", 1.5): 600.0,
        ("triton", 2): 800.0,
    }
    assert {t.purpose for t in planned()} == {"overload"}
    assert len({t.trial_id for k in (1, 2) for t in planned(k)}) == 12


def test_an_experiment_without_an_overload_plans_none() -> None:
    assert planned(overload=None) == []


def test_the_load_is_half_of_capacity_then_its_multiple_then_half_again() -> None:
    (trial,) = (t for t in planned() if (t.contender.name, t.overload.factor) == ("triton", 2))
    schedule = schedule_of(trial)
    assert trial.loaded_s == 7.5
    assert schedule.times_s[-1] < 7.5
    # Poisson: within five standard deviations.
    for start_s, end_s, rate_rps in ((0, 0.5, 200), (0.5, 3.5, 800), (3.5, 7.5, 200)):
        expected = rate_rps * (end_s - start_s)
        assert n_between(schedule, start_s, end_s) == pytest.approx(expected, abs=5 * expected**0.5)


def test_contenders_of_equal_capacity_get_the_same_arrivals_and_rounds_get_others() -> None:
    def digest(name: str, round_number: int = 1) -> str:
        slices = overload_slices(
            experiment(), discover(), dict.fromkeys(("fastapi", "triton"), 100.0), round_number
        )
        return next(
            schedule_of(t).digest
            for t in slices
            if (t.contender.name, t.overload.factor) == (name, 2)
        )

    assert digest("fastapi") == digest("triton")
    assert digest("fastapi") != digest("fastapi", 2)


def test_the_order_of_contenders_is_random_seeded_and_one_factor_at_a_time() -> None:
    orders = [
        [(t.overload.factor, t.contender.name) for t in planned(k, seed=3)] for k in range(1, 9)
    ]
    assert orders == [
        [(t.overload.factor, t.contender.name) for t in planned(k, seed=3)] for k in range(1, 9)
    ]
    assert len({tuple(order) for order in orders}) > 1
    for order in orders:
        assert all(a == b for (a, _), (b, _) in zip(order[::2], order[1::2], strict=True))


def test_factors_that_do_not_ascend_are_refused() -> None:
    with pytest.raises(ValueError, match="expected factors in ascending order, found 2, 1"):
        OverloadSpec(factors=(2, 1))


def test_a_trial_without_a_settling_time_begins_with_the_overload() -> None:
    (trial,) = (
        t
        for t in planned(load=LoadSpec(rates_rps=(10,), warmup_s=0))
        if (t.contender.name, t.overload.factor) == ("triton", 2)
    )
    assert np.median(schedule_of(trial).times_s) < 2.5
