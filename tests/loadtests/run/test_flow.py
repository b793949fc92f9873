"""Whole runs on a simulated machine: what becomes of trials that fail, are late, or are there."""

import errno
import inspect
import os
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from loadtests.launch.server import LaunchError
from loadtests.measure.locust_process import DriveError
from loadtests.records.experiment import LoadSpec
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
    return Experiment(**(fields | {"calibration": None} | settings))


@pytest.fixture
def run(study: Callable[..., Any], machine: Callable[..., Any]) -> Callable[..., Any]:
    """Runs contenders, on a machine where nothing fails if none is given."""

    def start(*contenders: str, on: Any = None, heard: Any = None, **settings: Any) -> Any:
        return study(on or machine(), asked(*contenders, **settings), heard=heard)

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
    assert heard.said == ["Preparing the model and the traffic"]
    assert {record.status for record in trials().values()} == {"completed"}
    assert manifest()["finished_at"]
    assert heard.reported == list((tmp_path / "results").iterdir())


def test_the_time_left_counts_each_start_and_each_trial(run: Any, machine: Any) -> None:
    on = machine()
    heard = run("null-http", "null-grpc", on=on)
    assert heard.left_s == pytest.approx([on.now_s, on.now_s / 2, 0])


def test_a_contender_that_does_not_start_is_a_row_with_its_reason_and_the_rest_goes_on(
    run: Any, machine: Any, trials: Any
) -> None:
    run("null-http", "null-grpc", on=machine(start_s={"null-grpc": 1e9}), rates_rps=(30, 40))
    found = trials()
    assert found["r1-null-http-30rps"].status == "completed"
    for name in ("r1-null-grpc-30rps", "r1-null-grpc-40rps"):
        assert (found[name].status, found[name].startup_s) == ("failed", None)
        assert found[name].reason == "null-grpc did not answer in time."
        assert found[name].log_tail == ("its last words",)


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
    on = machine(restarts={"null-http": said}, attempts=[DriveError("it followed.", ())])
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
        on.attempts = [DriveError("it failed.", NO_ROOM)]
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
    assert {kept, *resumed.finished} == {"r1-null-http-30rps", "r1-null-http-40rps"}
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


def test_what_others_had_of_the_cores_and_how_late_the_client_was_is_recorded(
    run: Any, machine: Any, trials: Any
) -> None:
    run("null-http", on=machine(attempts=[LATE | {"foreign_share": 0.6}]))
    found = trials()["r1-null-http-30rps"]
    assert found.send_lag_p99_ms == pytest.approx(1e6)
    assert found.foreign_share == {"server": 0.6, "load": 0.0}


CAPACITY = CapacitySpec(
    start_rps=20, min_rps=10, max_rps=160, resolution=1.42, warmup_s=0.5, steady_s=1
)
SEARCHED = [f"search-null-http-{rate}rps" for rate in ("20", "40.3", "81.3", "57.3")]
CERTIFIED = ["r1-null-http-40.3rps", "r1-null-http-57.3rps"]
UP_TO_50_RPS = {"capacity_rps": {"null-http": 50}}


def test_a_killed_search_goes_on_where_it_was_and_ends_as_if_it_had_not_been(
    run: Any, machine: Any, trials: Any, manifest: Any, heard_until: Any
) -> None:
    settings = {"capacity": CAPACITY, "rates_rps": ()}
    with pytest.raises(KeyboardInterrupt):
        run("null-http", on=machine(**UP_TO_50_RPS), heard=heard_until(2), **settings)
    resumed = run("null-http", on=machine(**UP_TO_50_RPS), **settings)
    assert resumed.finished[:2] == SEARCHED[2:]
    found = trials()
    assert sorted(found) == sorted(SEARCHED + CERTIFIED)
    assert {trial.purpose for name, trial in found.items() if name in SEARCHED} == {"search"}
    assert sorted(trial.order for trial in found.values()) == list(range(1, len(found) + 1))
    assert manifest()["candidate_rates"] == {"null-http": [40.3, 57.3]}
    assert manifest()["dropped"] == []


def test_what_the_budget_has_no_room_for_is_dropped_and_recorded(
    run: Any, machine: Any, manifest: Any
) -> None:
    capacity = CAPACITY.model_copy(update={"budget_s": 8})
    heard = run("null-http", on=machine(**UP_TO_50_RPS), capacity=capacity, repeats=2)
    assert heard.finished[0] == SEARCHED[0]
    assert len(heard.finished) < len(SEARCHED)
    assert {(what.purpose, what.repeat, what.contender) for what in heard.drops} == {
        ("search", 0, "null-http"),
        ("measurement", 1, "null-http"),
        ("measurement", 2, None),
    }
    assert manifest()["dropped"] == [asdict(what) for what in heard.drops]


def test_a_contender_that_does_not_start_ends_its_search_with_one_failed_probe(
    run: Any, machine: Any, trials: Any
) -> None:
    capacity = CAPACITY.model_copy(update={"budget_s": 1e5})
    heard = run("null-http", on=machine(start_s={"null-http": 1e9}), capacity=capacity)
    assert heard.finished == ["search-null-http-20rps", "r1-null-http-30rps"]
    assert {trial.status for trial in trials().values()} == {"failed"}


def test_the_noise_aa_copy_is_a_contender_of_its_own_in_the_same_block(
    run: Any, trials: Any
) -> None:
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
        run("null-http", "null-grpc", on=machine(start_s={"null-grpc": 1e9}), repeats=2)
    found = trials().values()
    assert len({trial.order for trial in found}) == len(found) == 4
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
