"""The study as a person runs it: the command line, real servers, killed and resumed."""

import json
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from typer.testing import CliRunner

import study as study_module
from commands import reporting
from loadtests.records.run_trials import read_trials
from study import app

pytestmark = pytest.mark.live

DEFAULT = str(Path(study_module.__file__).parent / "loadtests/experiments/default.toml")

NULL_ONLY = """
name = "null-only"
reference = "null-http"
contenders = ["null-http"]
rounds = 2
[load]
rates_rps = [20, 30]
warmup_s = 0.2
steady_s = 0.5
[calibration]
contenders = []
"""

NULL_CAPACITY = """
name = "null"
reference = "null-http"
contenders = ["null-http"]
rounds = 2
[load]
warmup_s = 0.2
steady_s = 0.5
[capacity]
start_rps = 20
max_rps = 40
resolution = 2
[calibration]
contenders = []
"""


def study(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "study", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


@pytest.fixture
def null_experiment(tmp_path: Path) -> Path:
    path = tmp_path / "null-only.toml"
    path.write_text(NULL_ONLY, encoding="utf-8")
    return path


def the_run(results: Path) -> Path:
    (folder,) = results.iterdir()
    return folder


def stopped_after_a_trial(how: signal.Signals, experiment: Path, results: Path, family_of) -> Path:
    """The folder of a run that was stopped, of which nothing runs on."""
    command = [sys.executable, "-m", "study", "run", "--no-report", str(experiment)]
    with subprocess.Popen(
        [*command, "--results", str(results)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as running:
        deadline = time.monotonic() + 180
        while not list(results.glob("*/trials/[!.]*/trial.json")):
            assert running.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        family = family_of(running.pid)
        assert family
        running.send_signal(how)
        running.wait(60)
    _, alive = psutil.wait_procs(family, timeout=15)
    assert alive == []
    return the_run(results)


def test_an_interrupted_run_leaves_nothing_running_and_its_finished_trial(
    null_experiment: Path, tmp_path: Path, family_of
) -> None:
    folder = stopped_after_a_trial(signal.SIGINT, null_experiment, tmp_path / "results", family_of)
    assert [trial.status for trial in read_trials(folder).values()] == ["completed"]


@pytest.mark.usefixtures("machine_left_alone")
def test_a_killed_run_leaves_nothing_running_and_resumes_where_it_was(
    null_experiment: Path, tmp_path: Path, family_of
) -> None:
    results = tmp_path / "results"
    folder = stopped_after_a_trial(signal.SIGKILL, null_experiment, results, family_of)
    kept = read_trials(folder)
    assert len(kept) == 1
    resumed = CliRunner().invoke(app, ["run", "--no-report", "--resume", str(folder)])
    assert resumed.exit_code == 0, resumed.output
    trials = read_trials(folder)
    # One that the suite's other worker disturbed before the kill is made again.
    assert len([trial for trial in trials.values() if trial.attempt == 1]) == 2
    assert {trial.status for trial in trials.values()} == {"completed"}
    assert kept.items() <= trials.items()
    assert json.loads((folder / "manifest.json").read_text())["finished_at"]
    assert not (folder / "trials").exists()
    assert [path.name for path in folder.iterdir() if path.name[0] == "."] == []


@pytest.mark.usefixtures("machine_left_alone")
def test_a_capacity_study_gives_every_round_to_the_search_and_reports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reporting, "execute_notebook", lambda *_: None)  # as in test_whole_study
    path = tmp_path / "null.toml"
    path.write_text(NULL_CAPACITY, encoding="utf-8")
    arguments = [str(path), "--slo", "p99<=900ms", "--results", str(tmp_path / "r")]
    done = CliRunner().invoke(app, ["capacity", *arguments])
    assert done.exit_code == 0, done.output
    folder = the_run(tmp_path / "r")
    trials = read_trials(folder)
    # One that the suite's other processes delayed is made again.
    found = {name: each.purpose for name, each in trials.items() if each.attempt == 1}
    assert found == {"r1-null-http-20rps": "search", "r2-null-http-40rps": "search"}
    assert (folder / "report.html").exists()
    assert "So far; ratios to null-http" in done.output


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("run", "nowhere.toml"), "cannot read the experiment nowhere.toml"),
        (("run",), "expected either an experiment file or --resume"),
        (("run", "--resume", "."), "expected manifest.json in ."),
        (("report", "nowhere"), "expected manifest.json in nowhere"),
        (("serve", "fastapy"), "expected a contender, found 'fastapy'"),
        (("serve", "null-http", "--model", "/no/model"), "/no/model"),
        (("smoke", "--texts", "/no/texts.txt"), "/no/texts.txt"),
        (("capacity", "nowhere.toml"), "cannot read the experiment nowhere.toml"),
        (("capacity", DEFAULT, "--slo", "fast"), "expected an SLO such as 'p99<=50ms'"),
    ],
)
def test_bad_input_is_one_sentence_with_exit_code_2_and_nothing_written(
    arguments: tuple[str, ...],
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    results = tmp_path / "results"
    writes = arguments[0] in ("run", "smoke", "capacity")
    options = ("--results", str(results)) if writes else ()
    done = CliRunner().invoke(app, [*arguments, *options])
    assert done.exit_code == 2
    said_by_children = capfd.readouterr().err
    assert sentence in done.stderr + said_by_children
    assert "Traceback" not in said_by_children
    assert len(done.stderr.splitlines()) == 1
    assert not results.exists()


def test_bad_input_gives_no_traceback_to_a_person_either(tmp_path: Path) -> None:
    done = study("run", "nowhere.toml", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("study: cannot read the experiment nowhere.toml")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["run", "colocate"])
def test_results_that_cannot_be_written_are_one_sentence(
    command: str, null_experiment: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    what = [str(null_experiment)] if command == "run" else []
    done = CliRunner().invoke(app, [command, *what, "--results", str(tmp_path / "file" / "here")])
    assert done.exit_code == 2
    assert done.stderr.startswith(f"study: expected to write to {tmp_path}/file/here, ")
    assert len(done.stderr.splitlines()) == 1


def test_serve_refuses_a_busy_port() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        done = CliRunner().invoke(app, ["serve", "null-http", "--port", str(port)])
    assert done.exit_code == 2
    assert f"expected port {port} to be free" in done.stderr


def test_serve_says_when_ready_and_its_curl_line_works() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "study", "serve", "null-http", "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as serving:
        try:
            assert serving.stdout is not None
            lines = iter(serving.stdout.readline, "")
            assert any(f"ready at http://127.0.0.1:{port}" in line for line in lines)
            curl = next(line for line in lines if line.startswith("curl"))
            answer = subprocess.run(["bash", "-c", curl], capture_output=True, text=True)
        finally:
            serving.send_signal(signal.SIGINT)
        assert serving.wait(30) == 0
    assert json.loads(answer.stdout)["label"] == "null"
