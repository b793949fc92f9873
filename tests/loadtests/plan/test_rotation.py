"""Rounds: seeded order, common and own rates in turns, one schedule for all at a common level."""

import pytest

from loadtests.plan.adapt import SeenSlice
from loadtests.plan.rotation import round_order, slices_of
from loadtests.plan.rounds import PlannedTrial
from loadtests.records.experiment import LoadSpec
from loadtests.records.slo import SloOutcome
from loadtests.spec.experiment import CapacitySpec, Experiment
from servers.discovery import discover

NAMES = ("fastapi", "fastapi-tuned", "triton", "hybrid")
CONTENDERS = {name: discover()[name] for name in NAMES}
LOAD = LoadSpec(rates_rps=(10, 20), concurrency=(4,), warmup_s=0.4, steady_s=2.5)
CAPACITY = CapacitySpec(start_rps=75, min_rps=10, max_rps=2000, resolution=1.25)
EXPERIMENT = Experiment(
    name="t", seed=1, contenders=NAMES, load=LOAD, capacity=CAPACITY, aa_test="triton"
)
COMMON_ONLY = EXPERIMENT.model_copy(update={"capacity": None})
OWN_ONLY = EXPERIMENT.model_copy(update={"load": LoadSpec()})

Seen = dict[str, list[SeenSlice]]


def planned(experiment: Experiment, number: int, seen: Seen | None = None) -> list[PlannedTrial]:
    return slices_of(experiment, CONTENDERS, number, seen or {}, certified=lambda _, __: False)


def seen_at(rate_rps: float, cpu_s: float, met: bool = True) -> SeenSlice:
    outcome = SloOutcome(met, False, 5.0, 0.0, 0 if met else 100, 200)
    return SeenSlice(rate_rps, (outcome,), cpu_s)


def labels(experiment: Experiment, number: int) -> set[str]:
    return {trial.level.label for trial in planned(experiment, number)}


def test_each_round_visits_every_contender_once() -> None:
    for number in range(1, 8):
        names = [trial.contender.name for trial in planned(EXPERIMENT, number)]
        copy = ["triton-again"] if number % 2 else []
        assert sorted(names) == sorted([*NAMES, *copy])
        assert {trial.repeat for trial in planned(EXPERIMENT, number)} == {number}


def anew(experiment: Experiment, number: int) -> set[str]:
    return {trial.contender.name for trial in planned(experiment, number) if trial.anew}


def test_nobody_is_started_anew_unless_the_experiment_says_so() -> None:
    assert not any(anew(EXPERIMENT, number) for number in range(1, 20))


@pytest.mark.parametrize("experiment", [EXPERIMENT, COMMON_ONLY])
def test_common_rounds_start_contenders_anew_by_turns(experiment: Experiment) -> None:
    restarting = experiment.model_copy(update={"restarts_per_round": 2})
    common = range(1, 12, 1 if experiment.capacity is None else 2)
    by_round = [anew(restarting, number) for number in common][:6]
    assert by_round[0] == set()
    assert all(len(names) == 2 for names in by_round[1:])
    started = [name for names in by_round[1:] for name in names]
    assert {started.count(name) for name in (*NAMES, "triton-again")} == {2}


def test_rounds_at_own_rates_start_nobody_anew() -> None:
    restarting = EXPERIMENT.model_copy(update={"restarts_per_round": 2})
    assert anew(restarting, 4) == set()


def test_a_slice_that_is_made_again_starts_nobody() -> None:
    restarting = EXPERIMENT.model_copy(update={"restarts_per_round": 2})
    assert not any(trial.again.anew for trial in planned(restarting, 3))


def test_the_order_follows_from_seed_and_round_and_changes_with_both() -> None:
    orders = [round_order(1, number, NAMES) for number in range(1, 9)]
    assert orders == [round_order(1, number, NAMES) for number in range(1, 9)]
    assert len({tuple(order) for order in orders}) > 4
    assert orders != [round_order(2, number, NAMES) for number in range(1, 9)]
    assert all(sorted(order) == sorted(NAMES) for order in orders)


def test_each_place_in_the_order_is_taken_equally_often() -> None:
    first = [round_order(1, number, NAMES)[0] for number in range(1, 401)]
    assert all(70 <= first.count(name) <= 130 for name in NAMES)


def test_common_levels_take_turns_with_rounds_of_own_rates() -> None:
    common = [labels(EXPERIMENT, number) for number in (1, 3, 5, 7)]
    assert common == [{"10rps"}, {"20rps"}, {"c4"}, {"10rps"}]
    own = planned(EXPERIMENT, 2)
    assert {trial.purpose for trial in own} == {"search"}
    assert all(trial.level.mode == "open" for trial in own)


def test_without_a_capacity_all_rounds_are_common() -> None:
    assert [labels(COMMON_ONLY, number) for number in (1, 2, 3, 4)] == [
        {"10rps"},
        {"20rps"},
        {"c4"},
        {"10rps"},
    ]


def test_without_common_levels_all_rounds_are_own() -> None:
    for number in (1, 2, 3):
        assert {trial.purpose for trial in planned(OWN_ONLY, number)} == {"search"}


def test_every_contender_gets_the_same_schedule_in_a_common_round() -> None:
    seeds, lengths = set(), set()
    rounds = [planned(EXPERIMENT, number) for number in (1, 3, 5, 7)]
    for trials in rounds:
        assert len({(trial.schedule_seed, trial.phases, trial.level) for trial in trials}) == 1
        seeds.add(trials[0].schedule_seed)
        lengths.add(trials[0].phases.steady_s)
    assert len(seeds) == len(rounds)
    assert lengths == {2.5}


def test_the_schedule_of_a_common_round_does_not_depend_on_what_was_seen_or_who_takes_part() -> (
    None
):
    seen: Seen = {"triton": [seen_at(10, 0.003)]}
    few = {name: CONTENDERS[name] for name in ("triton", "hybrid")}
    alone = slices_of(EXPERIMENT, few, 3, seen, certified=lambda _, __: False)
    assert {trial.contender.name for trial in alone} == {"triton", "hybrid", "triton-again"}
    assert {t.schedule_seed for t in alone} == {t.schedule_seed for t in planned(EXPERIMENT, 3)}


def test_two_contenders_at_one_own_rate_share_their_arrivals_and_other_rounds_have_others() -> None:
    seen: Seen = {name: [seen_at(10, 0.003)] for name in NAMES}
    second, fourth = planned(EXPERIMENT, 2, seen), planned(EXPERIMENT, 4, seen)
    assert {t.level.label for t in second} == {t.level.label for t in fourth}
    assert len({trial.schedule_seed for trial in second}) == 1
    assert second[0].schedule_seed != fourth[0].schedule_seed


def test_the_aa_copy_is_its_base_under_another_name_in_common_rounds_only() -> None:
    (copy,) = (t for t in planned(EXPERIMENT, 3) if t.purpose == "noise")
    assert copy.trial_id == "r3-triton-again-20rps"
    assert copy.contender.name == "triton-again"
    assert copy.contender.options == CONTENDERS["triton"].options
    assert not [t for t in planned(EXPERIMENT, 2) if t.purpose == "noise"]


def test_a_slice_is_named_by_round_contender_and_level() -> None:
    ids = {trial.trial_id for trial in planned(EXPERIMENT, 3)}
    assert ids >= {"r3-triton-20rps", "r3-fastapi-20rps"}
    every = [trial.trial_id for number in range(1, 9) for trial in planned(EXPERIMENT, number)]
    assert len(every) == len(set(every))


def test_own_rates_follow_from_what_was_seen_of_each_contender() -> None:
    seen: Seen = {"fastapi": [seen_at(75, 0.008)], "triton": [seen_at(75, 0.0035)]}
    rates = {t.contender.name: t.level.rate_rps for t in planned(EXPERIMENT, 2, seen)}
    assert rates == {"fastapi": 146.0, "triton": 286.0, "fastapi-tuned": 75.0, "hybrid": 75.0}


def test_no_own_rate_is_beyond_what_the_client_can_prove() -> None:
    seen: Seen = {"triton": [seen_at(75, 0.0035)], "fastapi": [seen_at(75, 0.0035)]}
    trials = slices_of(
        EXPERIMENT,
        CONTENDERS,
        2,
        seen,
        certified=lambda _, __: False,
        highest_valid_rps={CONTENDERS["triton"].protocol: 150.0},
    )
    rates = {t.contender.name: t.level.rate_rps for t in trials}
    assert (rates["triton"], rates["fastapi"]) == (146.0, 286.0)


@pytest.mark.parametrize("seen_rps", [10, 20])
def test_all_settle_as_long_as_the_slowest_to_settle_in_a_common_round(seen_rps: float) -> None:
    slow: Seen = {"fastapi": [seen_at(seen_rps, 0.9 / 20)], "triton": [seen_at(seen_rps, 0.003)]}
    settled = {trial.phases.warmup_s for trial in planned(EXPERIMENT, 3, slow)}
    assert len(settled) == 1
    assert settled.pop() > LOAD.warmup_s
