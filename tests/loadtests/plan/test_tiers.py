"""What fits a budget of time: every scope within its time, comparable, and never less for more."""

from collections.abc import Callable, Mapping

import pytest

from loadtests.plan import rounds
from loadtests.plan.rounds import ServerSession, Starts
from loadtests.plan.tiers import (
    Pending,
    Scope,
    extras,
    fitting,
    remaining,
    search_order,
    tiers_of,
    whole,
)
from loadtests.records.experiment import LoadSpec, Slo
from loadtests.spec.contenders import resolve_contenders
from loadtests.spec.experiment import CapacitySpec, EnginesSpec, Experiment, VariantSpec
from servers.discovery import Contender

BUDGETS_S = range(0, 3000, 29)
NAMES = ("fastapi", "fastapi-tuned", "triton", "hybrid")
COARSE_LOAD = LoadSpec(rates_rps=(50,), warmup_s=1, steady_s=4)


def experiment(**changes: object) -> Experiment:
    fields: dict[str, object] = {
        "name": "t",
        "contenders": NAMES,
        "repeats": 3,
        "aa_test": "triton",
        "load": LoadSpec(rates_rps=(50, 25), concurrency=(4,), min_requests=100),
        "capacity": CapacitySpec(),
        "more_slos": (Slo(latency_ms=50),),
        "engines": EnginesSpec(),
    }
    return Experiment(**(fields | changes))  # type: ignore[arg-type]  # any field may be changed


def variant(name: str, base: str) -> VariantSpec:
    return VariantSpec(name=name, base=base, options={})


EXPERIMENTS = {
    "everything": experiment(),
    "no search": experiment(capacity=None, more_slos=()),
    "search only": experiment(load=LoadSpec(), aa_test=None),
    "one of each": experiment(
        contenders=("fastapi",), repeats=1, aa_test=None, load=COARSE_LOAD, engines=None
    ),
    "variants": experiment(
        contenders=(*NAMES, "triton-b", "triton-c"),
        variants=(variant("triton-b", "triton"), variant("triton-c", "triton")),
    ),
}
each_experiment = pytest.mark.parametrize("asked", EXPERIMENTS.values(), ids=EXPERIMENTS.keys())


def known(asked: Experiment) -> Mapping[str, Contender]:
    return resolve_contenders(asked)


def untouched(asked: Experiment, **changes: object) -> Pending:
    rates = rounds.guessed_rates(asked, asked.contenders)
    fields: dict[str, object] = {
        "calibration": rounds.calibration(asked, known(asked)),
        "blocks": rounds.blocks(asked, known(asked), rates),
        "candidate_rates": rates,
        "unsearched": frozenset(asked.contenders if asked.capacity else ()),
        "engines": 3,
    }
    return Pending(**(fields | changes))  # type: ignore[arg-type]  # any field may be changed


def length_s(scope: Scope, asked: Experiment, pending: Pending | None = None) -> float:
    return sum(remaining(scope, asked, pending or untouched(asked)).values())


def lengths_s(asked: Experiment) -> list[float]:
    return [length_s(tier.scope, asked) for tier in tiers_of(asked)]


def parts(scope: Scope) -> tuple[frozenset[object], ...]:
    """What a scope holds, as sets: more of it is a superset."""
    switches = {"engines": scope.engines, "fine": scope.fine, "noise": scope.noise}
    return (
        scope.contenders,
        scope.levels,
        scope.search,
        frozenset(range(scope.repeats)),
        frozenset(name for name, on in switches.items() if on),
    )


def sessions(scope: Scope, asked: Experiment) -> list[ServerSession]:
    return scope.narrow(rounds.blocks(asked, known(asked), {}), asked, {})


@each_experiment
def test_the_highest_tier_is_the_whole_experiment(asked: Experiment) -> None:
    assert tiers_of(asked)[-1].scope == whole(asked)


@each_experiment
def test_every_scope_holds_the_one_below_and_takes_longer(asked: Experiment) -> None:
    scopes = [parts(tier.scope) for tier in tiers_of(asked)]
    for below, above in zip(scopes, scopes[1:], strict=False):
        assert below != above
        assert all(less <= more for less, more in zip(below, above, strict=True))
    assert lengths_s(asked) == sorted(lengths_s(asked))


@each_experiment
def test_no_budget_is_exceeded_and_more_time_never_drops_what_less_time_kept(
    asked: Experiment,
) -> None:
    tiers, lengths = tiers_of(asked), lengths_s(asked)
    kept_before = parts(Scope(frozenset(), frozenset(), repeats=0))
    for budget_s in BUDGETS_S:
        count = fitting(lengths, budget_s)
        if count == 0:
            assert lengths[0] > budget_s
            continue
        kept = tiers[count - 1].scope
        assert lengths[count - 1] <= budget_s
        assert all(less <= more for less, more in zip(kept_before, parts(kept), strict=True))
        kept_before = parts(kept)
    assert kept_before == parts(whole(asked))


@each_experiment
def test_a_level_and_a_block_are_kept_for_all_contenders_or_for_none(asked: Experiment) -> None:
    for tier in tiers_of(asked):
        planned: dict[tuple[int, str], set[str]] = {}
        for session in sessions(tier.scope, asked):
            for trial in session.trials:
                if trial.purpose == "measurement":
                    key = trial.repeat, trial.level.label
                    planned.setdefault(key, set()).add(trial.contender.name)
        assert all(names == tier.scope.contenders for names in planned.values())


def test_the_most_informative_comes_first() -> None:
    first, *others = (tier.adds for tier in tiers_of(EXPERIMENTS["variants"]))
    assert first == "the client's calibration, every contender once at 50 rps"
    assert others[:2] == ["the engines alone", "a coarse search for the capacity of fastapi"]
    assert {line.split()[-1] for line in others[2:5]} == {"fastapi-tuned", "hybrid", "triton"}
    assert others[5:] == [
        "block 2",
        "triton against itself",
        "every contender at 25 rps",
        "every contender at 4 callers",
        "block 3",
        "the finest steps of the search, and SLOs after the first",
        "the variant triton-b",
        "the variant triton-c",
    ]


def test_where_only_a_search_is_asked_for_it_comes_first_and_for_everybody() -> None:
    lowest = tiers_of(EXPERIMENTS["search only"])[0].scope
    assert lowest.search == lowest.contenders == frozenset(NAMES)
    assert not lowest.fine


@pytest.mark.parametrize(
    ("change", "waiting"),
    [
        ({}, ("triton-b",)),
        ({"reference": "triton-b"}, ()),
        ({"aa_test": "triton-b"}, ()),
        ({"contenders": ("fastapi", "triton-b"), "aa_test": None}, ()),
        ({"variants": (variant("triton-b", "simulated"),)}, ()),
        ({"variants": (variant("triton-b", "simulated"), variant("triton", "triton"))}, ()),
    ],
)
def test_only_a_further_setting_of_a_contender_that_is_there_can_wait(
    change: dict[str, object], waiting: tuple[str, ...]
) -> None:
    asked = {"contenders": (*NAMES, "triton-b"), "variants": (variant("triton-b", "triton"),)}
    assert extras(experiment(**(asked | change))) == waiting


def test_what_is_on_disk_takes_no_time_any_more() -> None:
    asked = EXPERIMENTS["everything"]
    assert length_s(whole(asked), asked, untouched(asked, engines=0)) < length_s(
        whole(asked), asked
    )
    nothing = untouched(asked, calibration=[], blocks=[], unsearched=frozenset(), engines=0)
    assert length_s(whole(asked), asked, nothing) == 0


def test_slow_starts_are_expected_of_every_session_and_of_contenders_not_started_yet() -> None:
    asked = EXPERIMENTS["no search"]
    once = tiers_of(asked)[0].scope
    slow = untouched(asked, starts=Starts({"fastapi": 20.0, "triton": 30.0}))
    added_s = length_s(once, asked, slow) - length_s(once, asked)
    assert added_s == pytest.approx(20 + 30 + 2 * 25 - 4 * rounds.STARTUP_S)


def test_a_contender_that_is_not_searched_is_not_measured_at_guessed_rates() -> None:
    asked = EXPERIMENTS["everything"]
    tiers = {tier.adds: tier.scope for tier in tiers_of(asked)}
    lowest = tiers["the client's calibration, every contender once at 50 rps"]
    at_50_s = 2 + 10 + rounds.AROUND_TRIAL_S
    blocks_s = remaining(lowest, asked, untouched(asked))["blocks"]
    assert blocks_s == pytest.approx(len(NAMES) * (rounds.STARTUP_S + at_50_s))


@pytest.mark.parametrize("reference", NAMES)
def test_a_search_that_may_end_early_sessions_the_reference_first(reference: str) -> None:
    asked = experiment(reference=reference)
    order = search_order(asked, reference_first=True)
    usual = search_order(asked, reference_first=False)
    assert order[0] == reference
    assert order[1:] == [name for name in usual if name != reference]
    assert usual == rounds.search_order(asked)


@pytest.fixture
def labels_of() -> Callable[..., set[str]]:
    def labels(scope: Scope, contender: str, own: Mapping[str, list[float]]) -> set[str]:
        asked = EXPERIMENTS["everything"]
        block = scope.narrow(rounds.block(asked, known(asked), 1, own), asked, own)
        return {t.level.label for v in block for t in v.trials if v.contender.name == contender}

    return labels


def test_rates_found_are_measured_beside_the_levels_in_scope(labels_of) -> None:
    asked = EXPERIMENTS["everything"]
    once, own = tiers_of(asked)[0].scope, {"fastapi": [25.0, 80.0]}
    assert labels_of(once, "fastapi", own) == {"50rps", "25rps", "80rps"}
    assert labels_of(once, "hybrid", own) == {"50rps"}
    assert labels_of(once, "triton-again", own) == set()
    assert labels_of(whole(asked), "triton-again", own) == {"50rps", "25rps", "c4"}
