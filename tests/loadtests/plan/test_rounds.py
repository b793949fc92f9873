"""The plan: interleaved, seeded, the same schedule for every contender."""

import pytest

from loadtests.plan.rounds import ServerSession, block, calibration, expected_s, probe, search_order
from loadtests.records.experiment import LoadSpec
from loadtests.spec.experiment import CapacitySpec, Experiment
from servers.discovery import discover

NAMES = ("fastapi", "fastapi-tuned", "triton", "hybrid")
OWN_RATES = {"fastapi": [30.0, 20.0], "triton": [40.0]}


def experiment(seed: int = 1) -> Experiment:
    load = LoadSpec(rates_rps=(10, 20), concurrency=(4,), min_requests=100)
    return Experiment(name="t", seed=seed, repeats=4, contenders=NAMES, load=load, aa_test="triton")


def planned(seed: int = 1) -> list[list[ServerSession]]:
    return [block(experiment(seed), discover(), repeat, {}) for repeat in range(1, 5)]


def labels(sessions: list[ServerSession], contender: str) -> set[str]:
    return {t.level.label for v in sessions if v.contender.name == contender for t in v.trials}


def test_every_contender_level_and_repeat_is_planned_once() -> None:
    ids = [
        trial.trial_id for sessions in planned() for session in sessions for trial in session.trials
    ]
    assert len(ids) == len(set(ids)) == 5 * 3 * 4


def test_each_block_sessions_every_contender_once() -> None:
    for repeat, sessions in enumerate(planned(), start=1):
        assert sorted(v.contender.name for v in sessions) == sorted([*NAMES, "triton-again"])
        assert {trial.repeat for session in sessions for trial in session.trials} == {repeat}


def test_the_order_changes_between_blocks() -> None:
    assert (
        len({tuple(session.contender.name for session in sessions) for sessions in planned()}) > 1
    )


def test_the_same_seed_gives_the_same_order_and_another_seed_another() -> None:
    assert planned(1) == planned(1)
    assert planned(1) != planned(2)
    assert search_order(experiment(1)) == search_order(experiment(1))


def test_all_contenders_share_one_schedule_a_level_and_repeat() -> None:
    seeds: dict[tuple[str, int], set[tuple[int, ...]]] = {}
    for session in (session for sessions in planned() for session in sessions):
        for trial in session.trials:
            seeds.setdefault((trial.level.label, trial.repeat), set()).add(trial.schedule_seed)
    assert all(len(shared) == 1 for shared in seeds.values())
    assert len({next(iter(shared)) for shared in seeds.values()}) == len(seeds)


def test_a_rates_schedule_does_not_depend_on_its_place_in_the_list() -> None:
    def seeds(rates_rps: tuple[float, ...]) -> dict[str, tuple[int, ...]]:
        load = LoadSpec(rates_rps=rates_rps)
        alone = Experiment(name="t", contenders=NAMES, load=load)
        sessions = block(alone, discover(), 1, {})
        return {t.level.label: t.schedule_seed for session in sessions for t in session.trials}

    assert seeds((10, 20))["20rps"] == seeds((20, 30))["20rps"]


def test_rates_found_are_added_to_the_common_ones_without_repeating_any() -> None:
    sessions = block(experiment(), discover(), 1, OWN_RATES)
    assert labels(sessions, "fastapi") == {"10rps", "20rps", "30rps", "c4"}
    assert labels(sessions, "triton") == {"10rps", "20rps", "40rps", "c4"}
    assert labels(sessions, "hybrid") == {"10rps", "20rps", "c4"}


def test_the_noise_aa_copy_is_its_base_under_another_name_at_the_common_levels() -> None:
    sessions = block(experiment(), discover(), 2, OWN_RATES)
    (aa_copy,) = (session for session in sessions if session.contender.name == "triton-again")
    assert {trial.purpose for trial in aa_copy.trials} == {"noise"}
    assert aa_copy.contender.server == "triton_service"
    assert aa_copy.contender.options == discover()["triton"].options
    assert labels(sessions, "triton-again") == {"10rps", "20rps", "c4"}
    assert {trial.trial_id for trial in aa_copy.trials} >= {"r2-triton-again-20rps"}


def test_without_common_levels_the_noise_aa_copy_is_measured_at_the_rates_of_its_base() -> None:
    bare = experiment().model_copy(update={"load": LoadSpec(), "capacity": CapacitySpec()})
    sessions = block(bare, discover(), 1, OWN_RATES)
    assert labels(sessions, "triton-again") == labels(sessions, "triton") == {"40rps"}
    assert labels(sessions, "hybrid") == set()


def test_calibration_sessions_the_null_servers() -> None:
    sessions = calibration(experiment(), discover() | {})
    assert [trial.trial_id for session in sessions for trial in session.trials] == [
        "calibration-null-http-c16",
        "calibration-null-grpc-c16",
    ]


def test_a_probe_is_a_trial_of_its_own_and_the_same_for_every_contender() -> None:
    spec, known = CapacitySpec(steady_s=3), discover()
    first, other = (probe(experiment(), spec, known[name], 126.0) for name in NAMES[:2])
    assert first.trial_id == "search-fastapi-126rps"
    assert (first.purpose, first.repeat, first.phases.steady_s) == ("search", 0, 3)
    assert first.schedule_seed == other.schedule_seed


def test_a_probe_made_again_is_another_trial_with_other_arrivals() -> None:
    spec, known = CapacitySpec(steady_s=3), discover()
    first, again = (probe(experiment(), spec, known["fastapi"], 126.0, k) for k in (0, 1))
    assert again.trial_id == "search2-fastapi-126rps"
    assert (again.purpose, again.repeat, again.level) == ("search", 0, first.level)
    assert again.schedule_seed != first.schedule_seed


def test_a_block_is_expected_to_last_at_least_as_long_as_its_load() -> None:
    sessions = planned()[0]
    loaded_s = sum(t.phases.warmup_s + t.phases.steady_s for v in sessions for t in v.trials)
    assert expected_s(sessions) > loaded_s


@pytest.mark.parametrize(("label", "steady_s"), [("10rps", 10), ("20rps", 10), ("c4", 10)])
def test_a_level_lasts_as_long_as_its_requests_need(label: str, steady_s: float) -> None:
    trials = [t for v in planned()[0] for t in v.trials if t.level.label == label]
    assert {trial.phases.steady_s for trial in trials} == {steady_s}
