"""Whole runs within a budget of time, on a clock that only the simulated machine moves."""

import math
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from loadtests.plan import rounds
from loadtests.plan.timetable import Timetable
from loadtests.records.experiment import LoadSpec
from loadtests.records.trials import Dropped, TrialRecord, read_json
from loadtests.run.forecast import CUDA_STARTUP_S, Forecast
from loadtests.run.history import History
from loadtests.spec.contenders import resolve_contenders
from loadtests.spec.experiment import CapacitySpec, Experiment, VariantSpec

NAMES = ("null-http", "null-grpc", "simulated-a", "simulated-b")
CAPACITY_RPS = dict(zip(NAMES, (400, 90, 130, 900), strict=True))
ASKED: dict[str, object] = {
    "name": "t",
    "reference": "null-http",
    "contenders": NAMES,
    "repeats": 3,
    "aa_test": "simulated-a",
    "load": LoadSpec(rates_rps=(50, 25), warmup_s=0.5, steady_s=4),
    "capacity": CapacitySpec(start_rps=50, warmup_s=0.5, steady_s=2, budget_s=10_000),
    "calibration": None,
    "variants": tuple(
        VariantSpec(name=n, base="simulated", options={}) for n in ("simulated-a", "simulated-b")
    ),
}


Run = Callable[..., list[Dropped]]


@pytest.fixture
def new_machine(machine: Callable[..., Any]) -> Callable[..., Any]:
    return partial(machine, capacity_rps=CAPACITY_RPS)


@pytest.fixture
def run(study: Callable[..., Any], tmp_path: Path) -> Run:
    """Runs, or continues, ASKED on a machine; what was dropped, by its manifest."""

    def start(machine: Any, budget_s: float | None, **changes: object) -> list[Dropped]:
        experiment = Experiment(**(ASKED | changes))  # type: ignore[arg-type]  # any field
        machine.made = study(machine, experiment, budget_s).records
        (manifest,) = tmp_path.glob("results/*/manifest.json")
        return [Dropped(**entry) for entry in read_json(manifest)["dropped"]]

    return start


def contenders_at(machine: Any, purpose: str, repeat: int, rate_rps: float) -> set[str]:
    return {
        record.contender_name
        for record in machine.made
        if (record.purpose, record.repeat, record.level.rate_rps) == (purpose, repeat, rate_rps)
    }


def rates(machine: Any, purpose: str, contender: str) -> set[float]:
    return {
        record.level.rate_rps or 0.0
        for record in machine.made
        if (record.purpose, record.contender_name) == (purpose, contender)
    }


def found_rps(machine: Any, contender: str) -> float | None:
    probed = rates(machine, "search", contender)
    return max((rate for rate in probed if rate <= CAPACITY_RPS[contender]), default=None)


@pytest.mark.parametrize("budget_s", [60, 90, 150, 260, 390, 600])
def test_a_run_as_long_as_planned_ends_in_time_and_measures_all_or_none(
    run: Run, new_machine: Any, budget_s: float
) -> None:
    machine = new_machine()
    dropped = run(machine, budget_s)
    assert machine.now_s <= budget_s
    assert machine.cut == []
    assert contenders_at(machine, "measurement", 1, 50) == set(NAMES)
    for repeat in (1, 2, 3):
        for rate_rps in (50, 25):
            assert contenders_at(machine, "measurement", repeat, rate_rps) in (set(), set(NAMES))
    for name in NAMES:
        assert found_rps(machine, name) in (None, *rates(machine, "measurement", name))
    assert bool(dropped) == (budget_s < 600)


def test_without_a_budget_everything_is_measured(run: Run, new_machine: Any) -> None:
    machine = new_machine()
    assert run(machine, None) == []
    assert contenders_at(machine, "noise", 3, 25) == {"simulated-a-again"}


@pytest.mark.parametrize(("budget_s", "usual_start_s"), [(200, 25.0), (300, 15.0), (400, 25.0)])
def test_slow_starts_cost_later_blocks_and_not_the_first_comparison(
    run: Run, new_machine: Any, budget_s: float, usual_start_s: float
) -> None:
    machine = new_machine(usual_start_s=usual_start_s, around_trial_s=2.5)
    run(machine, budget_s)
    assert machine.now_s <= budget_s
    assert machine.cut == []
    for repeat in (1, 2, 3):
        assert contenders_at(machine, "measurement", repeat, 50) in (set(), set(NAMES))
    assert contenders_at(machine, "measurement", 1, 50) == set(NAMES)


def test_a_quick_machine_measures_what_was_left_out_of_the_plan(run: Run, new_machine: Any) -> None:
    machine = new_machine(usual_start_s=1.0, around_trial_s=0.5)
    run(machine, 240)  # planned without 25 requests/s, which it turns out to have time for
    assert contenders_at(machine, "measurement", 1, 25) == set(NAMES)
    assert machine.now_s <= 240


def test_a_contender_that_hangs_while_it_starts_is_not_started_again_at_the_cost_of_others(
    run: Run,
    new_machine: Any,
) -> None:
    machine = new_machine(start_s={"simulated-b": math.inf})
    dropped = run(machine, 480)
    failed = [record for record in machine.made if record.status == "failed"]
    assert {record.contender_name for record in failed} == {"simulated-b"}
    assert {record.repeat for record in failed} <= {0, 1}
    assert contenders_at(machine, "measurement", 2, 50) == set(NAMES) - {"simulated-b"}
    assert any(what.contender == "simulated-b" and what.repeat == 2 for what in dropped)


def test_a_trial_that_the_end_cuts_off_is_dropped_and_its_contender_stopped(
    run: Run, new_machine: Any
) -> None:
    machine = new_machine(around_trial_s=1000.0)
    dropped = run(machine, 200)
    assert machine.now_s == 200
    (cut,) = machine.cut
    assert machine.made == []
    assert machine.stopped == machine.started == ["null-http"]
    assert "cut off when the time budget was used up" in dropped[0].detail
    assert cut.split("-")[0] == dropped[0].purpose == "search"


def test_what_there_was_no_time_for_is_in_the_manifest(run: Run, new_machine: Any) -> None:
    dropped = run(new_machine(), 60)
    named = {(what.purpose, what.repeat, what.contender) for what in dropped}
    assert ("noise", 0, None) in named
    assert ("measurement", 0, None) in named
    assert {("measurement", repeat, None) for repeat in (2, 3)} <= named
    assert ("search", 0, "simulated-b") in named
    assert any("25 rps" in what.detail for what in dropped)


def test_a_run_goes_on_with_a_new_budget_until_nothing_is_left_out(
    run: Run, new_machine: Any, tmp_path: Path
) -> None:
    made: list[str] = []
    sizes = []
    for _ in range(8):
        machine = new_machine()
        dropped = run(machine, 240)
        assert machine.now_s <= 240
        made += [record.trial_id for record in machine.made]
        sizes.append(len(dropped))
        if not dropped:
            break
    assert sizes[-1] == 0
    assert len(made) == len(set(made))


def test_a_budget_smaller_than_the_searchs_own_cuts_that(run: Run, new_machine: Any) -> None:
    machine = new_machine()
    only_search = {"load": LoadSpec(warmup_s=0.5, steady_s=4), "aa_test": None, "repeats": 1}
    dropped = run(machine, 115, **only_search)
    assert machine.now_s <= 115
    assert {r.contender_name for r in machine.made if r.purpose == "search"} == set(NAMES)
    assert any(what.purpose == "search" for what in dropped)


def test_extra_variants_are_measured_where_everything_else_was(run: Run, new_machine: Any) -> None:
    asked = {
        "contenders": ("null-http", "null-plain"),
        "aa_test": None,
        "capacity": None,
        "repeats": 2,
        "variants": (VariantSpec(name="null-plain", base="null-http", options={}),),
    }
    short = new_machine()
    dropped = run(short, 50, **asked)
    assert {record.contender_name for record in short.made} == {"null-http"}
    assert [what.contender for what in dropped] == ["null-plain"]
    long = new_machine()
    assert run(long, 500, **asked) == []
    assert {record.contender_name for record in long.made} == {"null-plain"}


def test_starts_on_a_gpu_are_planned_longer_until_they_are_seen(tmp_path: Path) -> None:
    on_gpu = {"options": {"device": "cuda"}}
    names = {"engine-fast": {}, "engine-gpu": on_gpu, "engine-later": on_gpu}
    variants = tuple(VariantSpec(name=n, base="fastapi-tuned", **w) for n, w in names.items())
    asked = ASKED | {"contenders": tuple(names), "variants": variants, "capacity": None}
    changes = {"reference": "engine-fast", "aa_test": None}
    experiment = Experiment(**(asked | changes))  # type: ignore[arg-type]  # any field
    contenders = resolve_contenders(experiment)

    def starts(until_s: float, history: History) -> list[float]:
        time = Timetable(None, until_s=until_s)
        planned = Forecast(tmp_path, experiment, contenders, history, time).starts()
        return [planned.of(name) for name in names]

    nothing = History(tmp_path, experiment)
    assert starts(math.inf, nothing) == [rounds.STARTUP_S] * 3
    on_cpu_s, on_gpu_s, _ = starts(1e9, nothing)
    assert on_gpu_s == CUDA_STARTUP_S > on_cpu_s
    for seen_s, later_s in ((9.0, CUDA_STARTUP_S), (40.0, 40.0)):
        block = rounds.block(experiment, contenders, 1, {})
        trial = next(t for s in block for t in s.trials if t.contender.name == "engine-gpu")
        record = TrialRecord(
            trial.trial_id, "measurement", asdict(trial.contender), trial.level, 2, 1, "completed"
        )
        history = History(tmp_path, experiment)
        history.add(replace(record, startup_s=seen_s))
        assert starts(1e9, history)[1:] == [seen_s, later_s]
