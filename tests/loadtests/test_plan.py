"""The plan: interleaved, seeded, the same schedule for every contender."""

import pytest

from loadtests.plan import Block, plan
from loadtests.spec import Experiment, LoadSpec
from servers.discovery import discover

NAMES = ("fastapi", "fastapi-tuned", "triton", "hybrid")


def experiment(seed: int = 1) -> Experiment:
    load = LoadSpec(rates_rps=(10, 20), concurrency=(4,), min_requests=100)
    return Experiment(name="t", seed=seed, repeats=4, contenders=NAMES, load=load)


def planned(seed: int = 1) -> list[Block]:
    return plan(experiment(seed), discover())


def measured(blocks: list[Block]) -> list[Block]:
    return [block for block in blocks if block.trials[0].purpose == "measurement"]


def test_every_contender_level_and_repeat_is_planned_once() -> None:
    ids = [trial.trial_id for block in measured(planned()) for trial in block.trials]
    assert len(ids) == len(set(ids)) == 4 * 3 * 4


def test_each_repeat_visits_every_contender_before_the_next_begins() -> None:
    order = [(block.trials[0].repeat, block.contender.name) for block in measured(planned())]
    for repeat in range(4):
        round_of_four = order[4 * repeat : 4 * repeat + 4]
        assert {name for _, name in round_of_four} == set(NAMES)
        assert {number for number, _ in round_of_four} == {repeat + 1}


def test_the_order_changes_between_repeats() -> None:
    blocks = measured(planned())
    rounds = [tuple(block.contender.name for block in blocks[k : k + 4]) for k in range(0, 16, 4)]
    assert len(set(rounds)) > 1


def test_the_same_seed_gives_the_same_order_and_another_seed_another() -> None:
    assert planned(1) == planned(1)
    assert planned(1) != planned(2)


def test_all_contenders_share_one_schedule_a_level_and_repeat() -> None:
    seeds: dict[tuple[str, int], set[tuple[int, ...]]] = {}
    for block in measured(planned()):
        for trial in block.trials:
            seeds.setdefault((trial.level.label, trial.repeat), set()).add(trial.schedule_seed)
    assert all(len(shared) == 1 for shared in seeds.values())
    assert len({next(iter(shared)) for shared in seeds.values()}) == len(seeds)


def test_calibration_comes_first() -> None:
    purposes = [block.trials[0].purpose for block in planned()]
    assert purposes[:2] == ["calibration", "calibration"]
    assert set(purposes[2:]) == {"measurement"}


@pytest.mark.parametrize(("label", "steady_s"), [("10rps", 10), ("20rps", 10), ("c4", 10)])
def test_a_level_lasts_as_long_as_its_requests_need(label: str, steady_s: float) -> None:
    trials = [t for b in measured(planned()) for t in b.trials if t.level.label == label]
    assert {trial.phases.steady_s for trial in trials} == {steady_s}
