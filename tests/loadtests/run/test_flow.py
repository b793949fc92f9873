"""Whole runs on a simulated machine: what becomes of trials that fail, are late, or are there."""

import errno
import inspect
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from loadtests.launch.server import LaunchError
from loadtests.measure.locust_process import DriveError
from loadtests.plan.time_budget import CLOSING_S, BudgetError
from loadtests.records.experiment import LoadSpec
from loadtests.records.overload import OverloadSpec
from loadtests.records.run_trials import read_trials
from loadtests.records.stored import RecordError
from loadtests.records.trials import TrialRecord, read_json
from loadtests.run.flow import run_study
from loadtests.run.options import experiment_of
from loadtests.spec.experiment import CapacitySpec, EnginesSpec, Experiment
from loadtests.wire.probe import ProbeError

EXPERIMENT = """
name = "null-only"
reference = "null-http"
contenders = ["null-http"]
rounds = 2
[load]
rates_rps = [20, 30]
warmup_s = 0.5
steady_s = 2
[calibration]
contenders = []
"""
LATE = {"lag_ms": 1e6}
NO_ROOM = (f"OSError: [Errno 28] {os.strerror(errno.ENOSPC)}",)


def asked(*contenders: str, rates_rps: tuple[float, ...] = (30,), **settings: Any) -> Experiment:
    load = LoadSpec(rates_rps=rates_rps, warmup_s=0.5, steady_s=2)
    fields = {"name": "t", "reference": contenders[0], "contenders": contenders, "load": load}
    fields |= {"rounds": len(rates_rps)}
    return Experiment(**(fields | {"calibration": None} | settings))


@pytest.fixture
def run(study: Callable[..., Any], machine: Callable[..., Any]) -> Callable[..., Any]:
    """Runs contenders, on a machine where nothing fails if none is given."""

    def start(
        *contenders: str,
        on: Any = None,
        heard: Any = None,
        budget_s: float | None = None,
        one_at_a_time: bool = False,
        **settings: Any,
    ) -> Any:
        experiment = asked(*contenders, **settings)
        return study(on or machine(), experiment, budget_s, heard, one_at_a_time=one_at_a_time)

    return start


@pytest.fixture
def trials(tmp_path: Path) -> Callable[[], dict[str, TrialRecord]]:
    def read() -> dict[str, TrialRecord]:
        (folder,) = (tmp_path / "results").iterdir()
        return read_trials(folder)

    return read


@pytest.fixture
def manifest(tmp_path: Path) -> Callable[[], dict[str, Any]]:
    def read() -> dict[str, Any]:
        (folder,) = (tmp_path / "results").iterdir()
        return read_json(folder / "manifest.json")

    return read


def test_the_method_fits_on_one_screen() -> None:
    assert len(inspect.getsource(run_study).splitlines()) <= 40


def test_a_study_prepares_measures_records_and_then_reports(
    run: Any, trials: Any, manifest: Any, tmp_path: Path
) -> None:
    heard = run("null-http", "null-grpc")
    assert heard.said[0] == "Preparing the model and the traffic"
    assert {record.status for record in trials().values()} == {"completed"}
    assert manifest()["finished_at"]
    assert heard.reported == list((tmp_path / "results").iterdir())


def test_a_contender_that_does_not_start_is_a_row_with_its_reason_and_the_rest_goes_on(
    run: Any, machine: Any, trials: Any
) -> None:
    run("null-http", "null-grpc", on=machine(start_s={"null-grpc": 1e9}), rates_rps=(30, 40))
    found = trials()
    assert {n for n in found if "http" in n} == {"r1-null-http-30rps", "r2-null-http-40rps"}
    (failed,) = (found[name] for name in found if "grpc" in name)
    assert (failed.status, failed.startup_s, failed.repeat) == ("failed", None, 1)
    assert failed.reason == "null-grpc did not answer in time."
    assert failed.log_tail == ("its last words",)


def test_a_contender_that_does_not_answer_before_the_load_fails_and_is_stopped(
    study: Any, machine: Any, trials: Any
) -> None:
    def refuse(*_: object) -> Any:
        raise ProbeError("expected an answer, found nothing.")

    on = machine()
    study(on, asked("null-http", rates_rps=(30, 40)), ask=refuse)
    assert {trial.reason for trial in trials().values()} == {"expected an answer, found nothing."}
    assert on.stopped == on.started == ["null-http"]


def test_a_trial_in_which_the_server_restarted_a_part_of_itself_fails_and_the_next_has_a_new_one(
    run: Any, machine: Any, trials: Any
) -> None:
    said = "Triton is started again in 0.5 s: it ended with code -11"
    on = machine(restarts={"null-http": said}, slices=[DriveError("it followed.", ())])
    run("null-http", on=on, rates_rps=(30, 40))
    first, second = sorted(trials().values(), key=lambda record: record.order)
    assert (first.status, second.status) == ("failed", "completed")
    assert first.reason == f"null-http did not run without a break: {said}"
    assert on.started == on.stopped == ["null-http"] * 2


@pytest.mark.parametrize("failing", ["load generator", "server"])
def test_what_fails_for_want_of_room_ends_the_run_and_is_no_failed_trial(
    failing: str, run: Any, study: Any, machine: Any, trials: Any
) -> None:
    def fail(*_: object, **__: object) -> Any:
        raise LaunchError("it failed.", NO_ROOM)

    on, changes = machine(), {}
    if failing == "load generator":
        on.slices = [DriveError("it failed.", NO_ROOM)]
    else:
        changes = {"launch": fail}
    with pytest.raises(RecordError, match=r"No space left .*continue with study run --resume"):
        study(on, asked("null-http"), **changes)
    assert trials() == {}
    assert run("null-http").finished == ["r1-null-http-30rps"]


def test_finished_trials_are_kept_and_only_missing_ones_are_run(
    run: Any, trials: Any, heard_until: Any
) -> None:
    with pytest.raises(KeyboardInterrupt, match="Finished trials are kept: study run --resume"):
        run("null-http", rates_rps=(30, 40), heard=heard_until(1))
    (kept,) = trials()
    resumed = run("null-http", rates_rps=(30, 40))
    assert {kept, *resumed.finished} == {"r1-null-http-30rps", "r2-null-http-40rps"}
    assert len(resumed.finished) == 1


def test_a_run_is_continued_only_as_it_was_begun(run: Any) -> None:
    run("null-http")
    with pytest.raises(RecordError, match="cannot be continued, experiment: "):
        run("null-http", rates_rps=(40,))


def test_a_run_with_texts_of_ones_own_is_resumed_from_anywhere_once_moved(
    study: Any, machine: Any, heard_until: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.txt").write_text("hello\n", encoding="utf-8")
    (tmp_path / "e.toml").write_text(EXPERIMENT, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    read = partial(experiment_of, Path("e.toml"), None, None, Path("mine.txt"))
    with pytest.raises(KeyboardInterrupt):
        study(machine(), read, heard=heard_until(1))
    (tmp_path / "there").mkdir()
    (begun,) = (tmp_path / "results").iterdir()
    begun.rename(tmp_path / "there" / "run")
    (tmp_path / "mine.txt").unlink()

    monkeypatch.chdir(tmp_path / "there")
    resumed = study(
        machine(), partial(experiment_of, None, Path("run"), None, None), run_dir=Path("run")
    )

    assert Path(resumed.texts).read_text(encoding="utf-8") == "hello\n"
    assert len(resumed.finished) == 1


@pytest.mark.parametrize("spoilt", [LATE, {"foreign_share": 0.6}])
def test_a_slice_that_machine_or_client_spoilt_is_made_again_at_the_end_of_its_round(
    spoilt: dict[str, float], run: Any, machine: Any
) -> None:
    heard = run("null-http", "null-grpc", on=machine(slices=[spoilt]))
    first, second, again = heard.finished
    assert again == f"{first}-2"
    assert second not in (first, again)


def test_a_slice_is_made_again_once(run: Any, machine: Any) -> None:
    heard = run("null-http", on=machine(slices=[LATE] * 3))
    assert heard.finished == ["r1-null-http-30rps", "r1-null-http-30rps-2"]


def test_all_contenders_are_up_during_every_slice_and_stopped_at_the_end(
    run: Any, machine: Any, trials: Any, manifest: Any
) -> None:
    on = machine()
    run("null-http", "null-grpc", on=on, aa_test="null-http", rates_rps=(30, 40))
    everyone = {"null-http", "null-grpc", "null-http-again"}
    assert all(set(up) == everyone for up in on.up_during.values())
    assert sorted(on.started) == sorted(on.stopped) == sorted(everyone)
    assert [set(group) for group in manifest()["groups"]] == [everyone]


def test_contenders_that_stay_up_are_stopped_all_at_once(study: Any, machine: Any) -> None:
    on = machine()
    all_stopping = threading.Barrier(2, timeout=10)

    @contextmanager
    def launch(contender: Any, **settings: Any) -> Iterator[Any]:
        with on.launch(contender, **settings) as server:
            yield server
            all_stopping.wait()

    study(on, asked("null-http", "null-grpc"), launch=launch)
    assert sorted(on.stopped) == ["null-grpc", "null-http"]


def test_one_at_a_time_each_slice_has_its_contender_alone(
    run: Any, machine: Any, manifest: Any
) -> None:
    on = machine()
    run("null-http", "null-grpc", on=on, one_at_a_time=True)
    assert all(len(up) == 1 for up in on.up_during.values())
    assert manifest()["groups"] == []


def test_what_the_memory_does_not_hold_comes_in_a_further_group_beside_the_reference(
    run: Any, machine: Any, manifest: Any
) -> None:
    on = machine(holds=3, usual_start_s=1)
    names = ("null-http", "null-grpc", "fastapi", "triton")
    run(*names, on=on, reference="fastapi", rounds=None, time_budget_s=60)
    first, second = manifest()["groups"]
    assert {*first, *second} == set(names)
    assert first[0] == second[0] == "fastapi"
    assert all(len(up) <= 3 for up in on.up_during.values())


def test_rounds_are_made_until_the_time_is_over_each_with_every_contender(
    run: Any, machine: Any, trials: Any
) -> None:
    on = machine(usual_start_s=1)
    run("null-http", "null-grpc", on=on, rounds=None, time_budget_s=40)
    rounds = sorted(record.repeat for record in trials().values())
    assert rounds == sorted(2 * list(range(1, len(rounds) // 2 + 1)))
    assert 4 <= max(rounds) <= 6
    assert on.now_s <= 40


def test_a_budget_given_takes_the_place_of_the_experiments_own(run: Any, machine: Any) -> None:
    on = machine(usual_start_s=1)
    run("null-http", on=on, rounds=None, time_budget_s=1000, budget_s=30)
    assert on.now_s <= 30


def test_a_resumed_run_completes_its_last_round_and_goes_on_with_the_next(
    run: Any, machine: Any, heard_until: Any
) -> None:
    names = ("null-http", "null-grpc")
    with pytest.raises(KeyboardInterrupt):
        run(*names, rates_rps=(30, 40), heard=heard_until(1))
    resumed = run(*names, rates_rps=(30, 40))
    assert [record.repeat for record in resumed.records] == [1, 2, 2]


def test_a_resumed_search_gives_nobody_a_second_slice_in_the_same_round(
    run: Any, machine: Any, trials: Any, heard_until: Any
) -> None:
    settings = {"rounds": 2, "capacity": SEARCH, "rates_rps": (30,)}
    with pytest.raises(KeyboardInterrupt):
        run("null-http", "null-grpc", on=machine(), heard=heard_until(3), **settings)
    run("null-http", "null-grpc", on=machine(), **settings)
    second = [r.contender_name for r in trials().values() if r.repeat == 2]
    assert sorted(second) == ["null-grpc", "null-http"]


def test_a_budget_too_short_for_one_round_is_refused_before_anything_is_written(
    run: Any, tmp_path: Path
) -> None:
    with pytest.raises(BudgetError, match="expected a time budget of at least "):
        run("null-http", budget_s=5)
    assert not (tmp_path / "results").exists()


def test_a_contender_that_fails_twice_in_a_row_is_left_out(
    run: Any, machine: Any, trials: Any
) -> None:
    failures = [DriveError("it failed.", ())] * 5
    run("null-http", on=machine(slices=failures), rates_rps=(30, 40, 50, 60))
    assert sorted(record.repeat for record in trials().values()) == [1, 2]


def test_a_load_generator_that_fails_again_and_again_leaves_no_contender_out(
    run: Any, machine: Any, trials: Any
) -> None:
    failures = [DriveError("it failed.", (), client_failed=True)] * 4
    run("null-http", on=machine(slices=failures), rates_rps=(30, 40, 50))
    in_order = sorted(trials().values(), key=lambda record: record.order)
    assert [record.status for record in in_order] == ["failed"] * 4 + ["completed"]


def test_the_aa_copy_is_a_contender_of_its_own_in_the_same_round(run: Any, trials: Any) -> None:
    run("null-http", aa_test="null-http")
    found = trials()
    base, aa_copy = found["r1-null-http-30rps"], found["r1-null-http-again-30rps"]
    assert (aa_copy.purpose, aa_copy.repeat, aa_copy.status) == ("noise", 1, "completed")
    assert aa_copy.schedule_digest == base.schedule_digest
    assert aa_copy.contender["server"] == base.contender["server"]


def test_a_trial_bears_the_name_of_its_run(run: Any, trials: Any, manifest: Any) -> None:
    run("null-http")
    assert trials()["r1-null-http-30rps"].run_id == manifest()["run_id"]


def test_a_resumed_run_gives_no_position_a_second_time(run: Any, machine: Any, trials: Any) -> None:
    for _ in range(2):
        run(
            *("null-http", "null-grpc"),
            on=machine(start_s={"null-grpc": 1e9}),
            rates_rps=(30, 40),
        )
    found = trials().values()
    assert len({trial.order for trial in found}) == len(found) == 3
    kept = max(trial.order for trial in found if trial.status == "completed")
    assert all(trial.order > kept for trial in found if trial.status == "failed")


def test_engines_are_measured_before_the_first_trial_and_only_once(run: Any) -> None:
    engines = EnginesSpec(lengths_tokens=(16,), batch_sizes=(1, 2), repeats=2)
    assert run("fastapi", engines=engines).order == ["torch", "r1-fastapi-30rps"]
    assert run("fastapi", engines=engines).order == []


def test_without_the_table_no_engine_is_measured(run: Any) -> None:
    assert run("fastapi").order == ["r1-fastapi-30rps"]


def test_a_report_that_is_stopped_says_how_to_write_it(run: Any, heard_until: Any) -> None:
    class Stopped(list[Path]):
        def append(self, _: Path) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt, match="Every trial is kept: study report "):
        run("null-http", heard=heard_until(None, reported=Stopped()))


SEARCH = CapacitySpec(start_rps=30, min_rps=10, max_rps=1000, resolution=1.25)
OVERLOAD = OverloadSpec(factors=(1.5, 2.0), overload_s=2, recover_s=3)


def test_rounds_at_common_rates_and_at_rates_of_their_own_alternate(
    run: Any, machine: Any, trials: Any
) -> None:
    run("null-http", "null-grpc", rounds=5, capacity=SEARCH, aa_test="null-http")
    purposes = {
        number: {trial.purpose for trial in trials().values() if trial.repeat == number}
        for number in range(1, 6)
    }
    common, own = {"measurement", "noise"}, {"search"}
    assert purposes == {1: common, 2: own, 3: common, 4: own, 5: common}


def test_each_contender_is_searched_at_rates_that_follow_from_its_own_slices(
    run: Any, machine: Any, trials: Any
) -> None:
    on = machine(capacity_rps={"null-http": 60.0, "null-grpc": 300.0})
    run("null-http", "null-grpc", on=on, rounds=24, capacity=SEARCH)
    tried: dict[str, list[float]] = {"null-http": [], "null-grpc": []}
    for trial in sorted(trials().values(), key=lambda each: each.order):
        if trial.purpose == "search":
            tried[trial.contender_name].append(trial.level.rate_rps)
    for name, capacity_rps in on.capacity_rps.items():
        below = max(rate for rate in tried[name] if rate <= capacity_rps)
        above = min(rate for rate in tried[name] if rate > capacity_rps)
        # Neighbours on the grid, whose rates are rounded to three digits.
        assert above / below == pytest.approx(SEARCH.resolution, rel=0.01)
    assert max(tried["null-http"]) < 300


def test_overloads_come_after_the_last_round_once_for_each_contender_and_factor(
    run: Any, machine: Any
) -> None:
    on = machine(capacity_rps={"null-http": 60.0, "null-grpc": 60.0})
    heard = run("null-http", "null-grpc", on=on, rounds=2, overload=OVERLOAD)
    purposes = [record.purpose for record in heard.records]
    assert purposes == ["measurement"] * 4 + ["overload"] * 4
    offered = {(r.contender_name, r.overload.factor): r.level.rate_rps for r in heard.records[4:]}
    names = ("null-http", "null-grpc")
    assert offered == {(name, factor): factor * 30 for name in names for factor in (1.5, 2.0)}


def test_a_contender_that_meets_the_slo_nowhere_gets_no_overload(run: Any, machine: Any) -> None:
    on = machine(capacity_rps={"null-http": 60.0, "null-grpc": 1.0})
    heard = run("null-http", "null-grpc", on=on, overload=OVERLOAD)
    overloaded = [r.contender_name for r in heard.records if r.purpose == "overload"]
    assert overloaded == ["null-http"] * 2


def test_time_for_the_overloads_is_reserved_and_the_rest_goes_to_rounds(
    run: Any, machine: Any
) -> None:
    on = machine(usual_start_s=1)
    heard = run("null-http", on=on, rounds=None, time_budget_s=60, overload=OVERLOAD)
    rounds = [record for record in heard.records if record.purpose == "measurement"]
    assert len(heard.records) - len(rounds) == len(OVERLOAD.factors)
    # 60 s without a start, two overloads of 6.5 s and the end are 14 rounds of 3 s.
    assert 12 <= len(rounds) <= 14
    assert on.now_s <= 60


def test_a_resumed_run_makes_no_overload_again(run: Any, machine: Any) -> None:
    for finished in (3, 0):
        heard = run("null-http", overload=OVERLOAD)
        assert len(heard.finished) == finished


def test_the_progress_is_told_of_every_finished_round(run: Any) -> None:
    heard = run("null-http", "null-grpc", rounds=3)
    assert heard.rounds == [1, 2, 3]


def test_the_progress_expects_no_more_rounds_than_the_experiment_asks_for(run: Any) -> None:
    heard = run("null-http", "null-grpc", rates_rps=(30, 40), rounds=3)
    assert set(heard.rounds_expected) == {3}


def test_where_no_round_at_own_rates_fits_any_more_a_shorter_one_at_the_common_level_may(
    run: Any, machine: Any
) -> None:
    on = machine(capacity_rps={"null-http": 40.0}, usual_start_s=1)
    common_s, own_s = 3.0, 6.0
    budget_s = CLOSING_S + on.usual_start_s + 2 * common_s + own_s + (common_s + own_s) / 2
    heard = run("null-http", on=on, rounds=None, capacity=SEARCH, time_budget_s=budget_s)
    assert heard.rounds == [1, 2, 3, 5]
