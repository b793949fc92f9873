"""The path of the study on a GPU, as a person without one runs it."""

import json
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from loadtests.records import read_trial, trial_folders
from study import app

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(torch.cuda.is_available(), reason="needs a host without a GPU"),
]

MISSING = "fastapi-tuned-fp16"
ELSEWHERE = ("litserve-fp32", "hybrid-torch-fp32")
"""Left out here: the contract suite starts their kind, and this takes half the time without."""


def test_the_rehearsal_measures_what_a_cpu_has_and_gives_a_reason_for_the_rest(
    root: Path, tmp_path: Path
) -> None:
    whole = (root / "loadtests" / "experiments" / "gpu-rehearsal.toml").read_text()
    experiment = tmp_path / "gpu-rehearsal.toml"
    experiment.write_text(
        "".join(line for line in whole.splitlines(True) if line.strip(' ",\n') not in ELSEWHERE)
    )
    results = tmp_path / "results"

    done = CliRunner().invoke(
        app, ["run", str(experiment), "--results", str(results), "--no-report"]
    )

    assert done.exit_code == 0, done.output
    (run,) = results.iterdir()
    trials = [read_trial(folder) for folder in trial_folders(run)]
    failed = {trial.contender_name: str(trial.reason) for trial in trials if trial.reason}
    assert set(failed) == {MISSING}
    assert failed[MISSING].startswith(f"{MISSING} did not start: expected a CUDA device")
    measured = {trial.contender_name for trial in trials if trial.status == "completed"}
    named = json.loads((run / "manifest.json").read_text())["experiment"]["contenders"]
    assert set(named) - {MISSING} <= measured
    for trial in trials:
        assert trial.parity is None or trial.parity.mismatches == 0, trial.trial_id
    engines = json.loads((run / "engines.json").read_text())["engines"]
    assert {tuple(engine["used_by"]): engine["available"] for engine in engines} == {
        tuple(name for name in named if name != MISSING): True,
        (MISSING,): False,
    }
