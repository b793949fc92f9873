"""The search by a simulated objective: what is proposed, and which few are measured once more."""

from collections.abc import Mapping

import pytest

from loadtests.records.experiment import Slo
from loadtests.records.tuning import Score, Settings, SettingValue
from loadtests.tune.propose import Tried, finalists, proposals
from loadtests.tune.space import Space, key, space_of
from servers.discovery import discover

SPACE = space_of(discover()["triton"], Slo(latency_ms=100), 1)
GAIN: Mapping[str, Mapping[SettingValue, float]] = {
    "max_batch_size": {4: 0.8, 8: 1.15, 16: 1.1, 32: 1.0, 64: 0.95},
    "instances": {1: 1.0, 2: 0.9},
    "max_queue_delay_us": {0: 1.0, 500: 1.05, 1000: 1.1, 2000: 1.0, 5000: 0.7},
    "length_buckets": {"128": 0.6, "64,128": 0.8},
    "preferred_batch_sizes": {"4": 0.9},
}


def simulated(settings: Settings) -> Score:
    """Of a machine on which each option has an effect of its own: the best is 8, 1 instance and
    1,000 us, with 1.265 times the default's capacity."""
    ratio = 1.0
    for name, value in settings.items():
        ratio *= GAIN[name].get(value, 1.0)
    return Score(ratio, 1.0 + float(settings["max_queue_delay_us"]) / 20_000)


def searched(n_generations: int, seed: int = 7) -> list[Tried]:
    tried: list[Tried] = []
    for _ in range(n_generations):
        for settings in proposals(SPACE, tried, 4, seed):
            tried.append(Tried(f"c{len(tried) + 1}", settings, simulated(settings)))
    return tried


def test_the_first_generations_need_no_model_and_change_one_option_each() -> None:
    assert proposals(SPACE, [], 4, seed=7) == SPACE.one_change()[:4]


def test_nothing_is_proposed_twice_nor_what_makes_no_sense() -> None:
    tried = searched(6)
    assert len(tried) == 24
    assert len({key(each.settings) for each in tried} | {key(SPACE.default)}) == 25
    assert all(SPACE.possible(each.settings) for each in tried)


def test_the_search_finds_what_no_single_change_reaches() -> None:
    best = max(each.score.capacity_ratio for each in searched(6) if each.score)
    of_one_change = max(simulated(each).capacity_ratio for each in SPACE.one_change())
    assert of_one_change == pytest.approx(1.15)
    assert best > of_one_change


def test_the_same_history_and_seed_give_the_same_proposals() -> None:
    tried = searched(3)
    assert proposals(SPACE, tried, 4, seed=7) == proposals(SPACE, tried, 4, seed=7)
    by_seed = [proposals(SPACE, tried, 4, seed) for seed in range(10)]
    assert any(each != by_seed[0] for each in by_seed)


def test_what_could_not_be_compared_is_not_tried_again() -> None:
    tried = [Tried("c1", settings, None) for settings in SPACE.one_change()]
    keys = {key(each.settings) for each in tried}
    assert not keys & {key(each) for each in proposals(SPACE, tried, 4, seed=7)}


def test_a_space_that_is_used_up_gives_what_is_left_and_then_nothing() -> None:
    values = {"instances": (1, 2), "max_batch_size": (8, 32)}
    small = Space(values, {"instances": 1, "max_batch_size": 32}, 1)
    found = proposals(small, [], 9, seed=7)
    assert sorted(key(each) for each in found) == sorted(
        key(each) for each in small.all() if each != small.default
    )
    tried = [Tried(f"c{k}", each, None) for k, each in enumerate(found)]
    assert proposals(small, tried, 9, seed=7) == []


def tried(name: str, *score: float, allowed: bool = True) -> Tried:
    return Tried(name, {}, Score(*score, allowed=allowed) if score else None)


def test_finalists_are_those_that_none_beats_in_both_by_capacity() -> None:
    every = [
        tried("slow", 1.3, 1.4),
        tried("beaten", 1.2, 1.1),
        tried("good", 1.25, 1.0),
        tried("quick", 0.7, 0.8),
    ]
    assert [each.name for each in finalists(every, 3)] == ["slow", "good", "quick"]
    assert [each.name for each in finalists(every, 2)] == ["slow", "good"]
    assert [each.name for each in finalists(every, 9)][-1] == "beaten"


def test_what_is_beyond_the_limits_or_was_not_compared_is_no_finalist() -> None:
    every = [tried("large", 2.0, 0.5, allowed=False), tried("gone"), tried("worse", 0.9, 1.1)]
    assert [each.name for each in finalists(every, 3)] == ["worse"]
    assert finalists(every[:2], 3) == []


def test_where_nothing_was_compared_what_more_slices_could_tell_apart_is_measured_again() -> None:
    every = [tried("gone"), Tried("open", {}, None, open=True), Tried("too", {}, None, open=True)]
    assert [each.name for each in finalists(every, 1)] == ["open"]
    assert [each.name for each in finalists([*every, tried("known", 0.9, 1.1)], 3)] == ["known"]
