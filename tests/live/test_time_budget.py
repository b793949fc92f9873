"""`study run --time-budget` as a person runs it: it ends in time."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from loadtests.records.run_trials import read_trials
from study import app

pytestmark = pytest.mark.live

TWO_RATES = """
name = "null-only"
reference = "null-http"
contenders = ["null-http"]
[load]
rates_rps = [1000, 500]
warmup_s = 0.2
steady_s = 0.5
[calibration]
contenders = []
"""
BUDGET_S = 20.0
SLACK_S = 60.0


@pytest.fixture
def experiment(tmp_path: Path) -> Path:
    path = tmp_path / "null-only.toml"
    path.write_text(TWO_RATES, encoding="utf-8")
    return path


@pytest.fixture
def study(experiment: Path, tmp_path: Path):
    results = tmp_path / "results"

    def run(*arguments: str) -> tuple[subprocess.CompletedProcess[str], float]:
        what = [str(experiment), "--results", str(results)]
        command = [sys.executable, "-m", "study", "run", "--no-report", *what, *arguments]
        began = time.monotonic()
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done, time.monotonic() - began

    return run


def test_a_run_ends_within_its_budget(study, tmp_path: Path) -> None:
    done, took_s = study("--time-budget", f"{BUDGET_S:g}s")
    assert done.returncode == 0, done.stderr
    assert took_s < BUDGET_S + SLACK_S
    (folder,) = (tmp_path / "results").iterdir()
    assert json.loads((folder / "manifest.json").read_text())["finished_at"]
    rounds = sorted({trial.repeat for trial in read_trials(folder).values()})
    assert rounds == list(range(1, len(rounds) + 1))


@pytest.mark.parametrize(
    ("budget", "sentence"),
    [
        (
            "soon",
            "expected a time budget with its unit, such as 540s, 9m or 1h, of at most 720h, "
            "found 'soon'",
        ),
        ("2s", "give more time"),
    ],
)
def test_a_budget_for_nothing_is_one_sentence_with_exit_code_2_and_nothing_written(
    budget: str, sentence: str, experiment: Path, tmp_path: Path
) -> None:
    what = [str(experiment), "--results", str(tmp_path / "results")]
    done = CliRunner().invoke(app, ["run", "--no-report", *what, "--time-budget", budget])
    assert done.exit_code == 2
    assert sentence in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "results").exists()
