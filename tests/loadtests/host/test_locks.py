"""One process at a time: a lock that its owner's death gives back, and what others are told."""

import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from loadtests.host import locks
from loadtests.host.locks import RUN_LOCK, LockError, machine_lock_path, measuring, writing
from loadtests.records.experiment import LoadSpec
from loadtests.records.stored import SCHEMA_VERSION
from loadtests.records.trials import Level, TrialRecord, write_json, write_trial
from loadtests.spec.experiment import Experiment
from study import app

HOLD = """
import sys, time
from pathlib import Path
from types import SimpleNamespace
from loadtests.host.locks import measuring, writing
kind, path = sys.argv[1], Path(sys.argv[2])
lock = writing(path, "study run x") if kind == "run" else measuring("study run x", print, path)
with lock:
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def holder() -> Iterator[Callable[[str, Path], subprocess.Popen[str]]]:
    """Another process that holds a lock."""
    started: list[subprocess.Popen[str]] = []

    def hold(kind: str, path: Path) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", HOLD, kind, str(path)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        return process

    yield hold
    for process in started:
        process.kill()
        process.communicate()


def test_a_run_that_another_process_continues_is_refused_by_that_process_pid(
    holder, tmp_path: Path
) -> None:
    other = holder("run", tmp_path)
    with pytest.raises(LockError) as refused, writing(tmp_path, "me"):
        pass
    assert f"{tmp_path} in use by process {other.pid} (study run x)" in str(refused.value)


def test_the_lock_of_a_killed_run_is_taken_over(holder, tmp_path: Path) -> None:
    other = holder("run", tmp_path)
    other.send_signal(signal.SIGKILL)
    other.wait()
    assert str(other.pid) in (tmp_path / RUN_LOCK).read_text()
    with writing(tmp_path, "me"):
        assert str(os.getpid()) in (tmp_path / RUN_LOCK).read_text()
    assert list(tmp_path.iterdir()) == []


def a_run_with_a_failed_trial(folder: Path) -> Path:
    experiment = Experiment(
        name="t", reference="null-http", contenders=("null-http",), load=LoadSpec(rates_rps=(30,))
    )
    described = experiment.model_dump(mode="json")
    write_json(
        folder / "manifest.json", {"schema_version": SCHEMA_VERSION, "experiment": described}
    )
    contender = {"name": "null-http", "protocol": "http-json"}
    level = Level("open", rate_rps=30)
    failed = TrialRecord("r1-null-http-30rps", "measurement", contender, level, 1, 1, "failed")
    (folder / "trials" / failed.trial_id).mkdir(parents=True)
    write_trial(folder / "trials" / failed.trial_id, failed)
    return folder


def test_resuming_a_run_that_goes_on_changes_nothing_and_says_who_has_it(
    holder, tmp_path: Path
) -> None:
    folder = a_run_with_a_failed_trial(tmp_path)
    other = holder("run", folder)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    done = CliRunner().invoke(app, ["run", "--no-report", "--resume", str(folder)])
    assert done.exit_code == 2
    assert f"in use by process {other.pid}" in done.output
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_who_measures_later_waits_and_says_for_whom(holder, tmp_path: Path) -> None:
    path = tmp_path / "machine.lock"
    other = holder("machine", path)
    said: list[str] = []
    told, measured = threading.Event(), threading.Event()

    def say(line: str) -> None:
        said.append(line)
        told.set()

    def wait() -> None:
        with measuring("me", say, path):
            measured.set()

    waiting = threading.Thread(target=wait)
    waiting.start()
    assert told.wait(60)
    assert not measured.is_set()
    other.kill()
    assert measured.wait(60)
    waiting.join()
    assert len(said) == 1
    assert said[0].startswith(f"Waiting for process {other.pid} (study run x): ")


@pytest.mark.parametrize("command", ["calibrate", "colocate", "crosscheck", "smoke"])
def test_a_command_that_measures_waits_and_ends_quietly_when_it_is_stopped(
    command: str, holder, tmp_path: Path, artefacts, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = holder("machine", tmp_path / "machine.lock")
    monkeypatch.setenv("STUDY_MACHINE_LOCK", str(tmp_path / "machine.lock"))

    def stop(_s: float) -> None:
        raise KeyboardInterrupt

    # Not for all modules: what prepares the model waits, too.
    monkeypatch.setattr(locks, "time", SimpleNamespace(sleep=stop, monotonic=time.monotonic))
    done = CliRunner().invoke(app, [command, "--results", str(tmp_path / "results")])
    assert done.exit_code == 130
    assert f"Waiting for process {other.pid}" in done.output
    assert "Stopped" in done.output
    assert not (tmp_path / "results").exists()


def test_a_free_lock_is_taken_without_a_word(tmp_path: Path) -> None:
    said: list[str] = []
    with measuring("me", said.append, tmp_path / "lock"):
        pass
    with measuring("me", said.append, tmp_path / "lock"):
        pass
    assert said == []


def test_every_user_may_take_the_machines_lock(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        with measuring("me", print, tmp_path / "lock"):
            assert stat.S_IMODE((tmp_path / "lock").stat().st_mode) == 0o666
    finally:
        os.umask(before)
    folder = machine_lock_path().parent
    assert folder.stat().st_mode & stat.S_ISVTX


@pytest.mark.parametrize("plant", ["link", "hard link", "pipe", "folder"])
def test_what_somebody_planted_in_place_of_the_lock_is_refused_and_left_alone(
    plant: str, tmp_path: Path
) -> None:
    path, victim = tmp_path / "lock", tmp_path / "victim"
    victim.write_text("mine")
    if plant == "link":
        path.symlink_to(victim)
    elif plant == "hard link":
        path.hardlink_to(victim)
    elif plant == "pipe":
        os.mkfifo(path)
    else:
        path.mkdir()
    with pytest.raises(LockError, match="expected a file to lock"), measuring("me", print, path):
        pass
    assert victim.read_text() == "mine"


def test_what_the_owner_wrote_cannot_steer_the_terminal(tmp_path: Path) -> None:
    with writing(tmp_path, "study\x1b[2J\nrun"):
        with pytest.raises(LockError) as refused, writing(tmp_path, "me"):
            pass
        assert "(study?[2J?run)" in str(refused.value)


def test_a_name_that_is_no_utf_8_is_written_escaped(tmp_path: Path) -> None:
    with writing(tmp_path, "study run caf\udce9"):
        assert (tmp_path / RUN_LOCK).read_text().endswith("study run caf\\udce9")


def test_the_wait_for_the_machine_ends_with_the_time_budget(holder, tmp_path: Path) -> None:
    path = tmp_path / "machine.lock"
    other = holder("machine", path)
    until_s = time.monotonic() + 0.3
    said: list[str] = []
    still = pytest.raises(LockError, match=f"process {other.pid} .* still measuring at its end")
    with still, measuring("me", said.append, path, until_s):
        pass
    assert time.monotonic() >= until_s
    assert said
