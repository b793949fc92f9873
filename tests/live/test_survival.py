"""What is lost when something dies in the middle of a run: one trial at most, and it says why."""

import ast
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from typer.testing import CliRunner, Result

from loadtests.records.run_trials import read_trials
from loadtests.records.trials import TrialRecord
from study import app

# A resumed run is one in this process: nothing there is made again for what the other worker does.
pytestmark = [pytest.mark.live, pytest.mark.usefixtures("machine_left_alone")]

EXPERIMENT = """
name = "null-only"
reference = "null-http"
contenders = ["null-http"]
rounds = 3
[load]
rates_rps = [20, 30, 40]
warmup_s = 0.2
steady_s = 1
[calibration]
contenders = []
"""
DEADLINE_S = 120.0


class RunningStudy:
    """`study run` on a small experiment, seen from outside."""

    def __init__(self, results: Path, *arguments: str) -> None:
        self.results = results
        command = [sys.executable, "-m", "study", "run", "--no-report", *arguments]
        command += ["--results", str(results)]
        self.process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )

    def until(self, condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + DEADLINE_S
        while not condition():
            assert self.process.poll() is None, self.stderr()
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def finished_trials(self) -> dict[str, TrialRecord]:
        runs = [read_trials(run) for run in self.results.glob("*")]
        return runs[0] if runs else {}

    def kill_in_the_middle_of_a_trial(self, part_of_command: str) -> None:
        """Kill -9 for the process of that command, once requests are under way."""

        def found(part: str) -> list[psutil.Process]:
            family = psutil.Process(self.process.pid).children(recursive=True)
            return [process for process in family if part in command_line(process)]

        self.until(lambda: any(is_connected(each) for each in found("replay_locustfile.py")))
        found(part_of_command)[0].kill()

    def stderr(self) -> str:
        assert self.process.stderr is not None
        return self.process.stderr.read()

    def wait(self) -> int:
        return self.process.wait(DEADLINE_S)


def first_attempts(trials: dict[str, TrialRecord]) -> list[TrialRecord]:
    """Without those that were made again, as the suite's other worker disturbs slices."""
    return [record for record in trials.values() if record.attempt == 1]


def command_line(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""


def is_connected(process: psutil.Process) -> bool:
    try:
        return any(each.status == "ESTABLISHED" for each in process.net_connections("tcp"))
    except psutil.NoSuchProcess:
        return False


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., RunningStudy]]:
    experiment = tmp_path / "null-only.toml"
    experiment.write_text(EXPERIMENT, encoding="utf-8")
    started: list[RunningStudy] = []

    def begin(results: Path = tmp_path / "results") -> RunningStudy:
        started.append(RunningStudy(results, str(experiment)))
        return started[-1]

    yield begin
    for study in started:
        study.process.kill()
        study.process.wait()


def resume(folder: Path) -> Result:
    return CliRunner().invoke(app, ["run", "--no-report", "--resume", str(folder)])


def test_a_process_killed_in_a_trial_costs_that_trial_only_and_resume_makes_it_again(
    start: Callable[..., RunningStudy],
) -> None:
    study = start()
    study.kill_in_the_middle_of_a_trial("replay_locustfile.py")
    study.until(lambda: len(study.finished_trials()) > 1)
    study.kill_in_the_middle_of_a_trial("servers.null_service")
    assert study.wait() == 0, study.stderr()

    records = study.finished_trials()
    reasons = sorted(str(r.reason) for r in records.values() if r.status == "failed")
    assert len(first_attempts(records)) == 3
    assert len(reasons) == 2
    assert "Locust processes" in reasons[0]
    assert "the server exited during the trial" in reasons[1]

    (folder,) = study.results.iterdir()
    resumed = resume(folder)
    assert resumed.exit_code == 0, resumed.output
    assert {trial.status for trial in read_trials(folder).values()} == {"completed"}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own that can be filled."""
    mount_point = tmp_path / "disk"
    mount_point.mkdir()
    options = ["-t", "tmpfs", "-o", "size=2m", "tmpfs", str(mount_point)]
    mounted = subprocess.run(["mount", *options], capture_output=True, check=False)
    if mounted.returncode != 0:
        pytest.skip("mounting a file system is not permitted here")
    yield mount_point
    subprocess.run(["umount", str(mount_point)], check=True)


def test_a_full_disk_ends_the_run_with_a_sentence_and_loses_no_finished_trial(
    small_disk: Path, start: Callable[..., RunningStudy], alive: Callable[..., object]
) -> None:
    study = start(small_disk / "results")
    study.until(study.finished_trials)
    family = psutil.Process(study.process.pid).children(recursive=True)
    filler = small_disk / "filler"
    with filler.open("wb", buffering=0) as full:
        while True:
            try:
                full.write(b"x" * 4096)
            except OSError:
                break
    assert study.wait() == 2
    message = study.stderr()
    assert "No space left on device" in message
    assert "study run --resume" in message
    assert "Traceback" not in message
    assert alive(family) == []
    kept = study.finished_trials()
    assert {record.status for record in kept.values()} == {"completed"}

    filler.unlink()
    (folder,) = study.results.iterdir()
    assert resume(folder).exit_code == 0
    trials = read_trials(folder)
    assert len(first_attempts(trials)) == 3
    assert kept.items() <= trials.items()


def test_no_module_of_the_load_reads_the_wall_clock_for_a_measurement(root: Path) -> None:
    for path in (root / "loadtests").rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        calls = [
            node.attr
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id == "time"
        ]
        assert "time" not in calls, path.name
        assert "time_ns" not in calls, path.name
