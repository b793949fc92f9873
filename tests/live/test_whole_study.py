"""One run over all contenders, as a person starts it, from the experiment to the report.

It takes the path of the study on a GPU (variants, engines alone), which a host without one
rehearses: what it lacks is reported as unavailable.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from loadtests.records.run_trials import RunTables, read_trials
from loadtests.records.trials import TrialRecord
from study import app

pytestmark = pytest.mark.live

WITH_ONNX = ("fastapi-onnx", "litserve", "triton", "hybrid")
NAMES = ("fastapi", "fastapi-tuned", *WITH_ONNX)
ELSEWHERE = "fastapi-tuned-fp16"
"""A variant of the rehearsal that asks for CUDA."""
NO_GPU = pytest.mark.skipif(torch.cuda.is_available(), reason="needs a host without a GPU")


@dataclass(frozen=True)
class WholeStudy:
    folder: Path
    said: str

    @property
    def trials(self) -> dict[str, TrialRecord]:
        return read_trials(self.folder)

    @property
    def measured(self) -> dict[str, TrialRecord]:
        """The trials of those contenders that every host can run."""
        return {
            name: trial
            for name, trial in self.trials.items()
            if trial.purpose == "measurement" and trial.contender_name in NAMES
        }


@pytest.fixture(scope="module")
def whole_study(root: Path, tmp_path_factory: pytest.TempPathFactory) -> WholeStudy:
    """The rehearsal's experiment with the contenders of the default one and one load generator."""
    folder = tmp_path_factory.mktemp("study")
    rehearsal = (root / "loadtests" / "experiments" / "gpu-rehearsal.toml").read_text()
    named = f"contenders = {json.dumps([*NAMES, ELSEWHERE])}"
    experiment, n_replaced = re.subn(r"(?m)^contenders = \[[^]]*\]", named, rehearsal)
    assert n_replaced == 1
    experiment = experiment.replace("workers = 2", "workers = 1")  # two are started in test_drive
    (folder / "all.toml").write_text(experiment, encoding="utf-8")
    arguments = ["run", str(folder / "all.toml"), "--results", str(folder / "results")]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    (run,) = (folder / "results").iterdir()
    return WholeStudy(run, done.output)


def test_every_contender_completes_with_equal_answers(whole_study: WholeStudy) -> None:
    measured = whole_study.measured.values()
    assert {trial.contender_name for trial in measured} == set(NAMES)
    assert {trial.status for trial in measured} == {"completed"}
    for trial in measured:
        assert trial.parity is not None
        assert trial.parity.checked >= 20
        assert trial.parity.mismatches == 0, trial.parity.example


def test_every_contender_gets_the_same_arrivals_and_texts(whole_study: WholeStudy) -> None:
    schedules = set()
    for trial in whole_study.measured.values():
        rows = RunTables(whole_study.folder).requests(trial)
        schedules.add((tuple(rows["scheduled_s"]), tuple(rows["text_id"])))
    assert len(schedules) == 1


def test_server_counters_agree_with_the_rows(whole_study: WholeStudy) -> None:
    for trial in whole_study.measured.values():
        counted = trial.counters_after["requests_ok"] - trial.counters_before["requests_ok"]
        # Triton counts a request some time after it has answered it: a canary from before.
        rows = RunTables(whole_study.folder).requests(trial)
        answered = (rows["status"] == "ok").sum()
        assert answered <= counted <= answered + 1, trial.trial_id


def test_the_report_is_one_file_and_the_summary_names_every_contender(
    whole_study: WholeStudy,
) -> None:
    report = (whole_study.folder / "report.html").read_text(encoding="utf-8")
    summary = (whole_study.folder / "summary.json").read_text(encoding="utf-8")
    for name in (*NAMES, ELSEWHERE):
        assert name in report
        assert f'"{name}"' in summary
    assert "<script src" not in report
    assert (whole_study.folder / "decision.md").exists()
    assert (whole_study.folder / "study.ipynb").exists()
    assert "Recommendation" in whole_study.said


@NO_GPU
def test_what_a_host_lacks_is_a_row_with_its_reason(whole_study: WholeStudy) -> None:
    trials = whole_study.trials.values()
    failed = {trial.contender_name: str(trial.reason) for trial in trials if trial.reason}
    assert set(failed) == {ELSEWHERE}
    assert failed[ELSEWHERE].startswith(f"{ELSEWHERE} did not start: expected a CUDA device")


@NO_GPU
def test_each_engine_is_measured_alone_for_all_that_run_it(whole_study: WholeStudy) -> None:
    engines = json.loads((whole_study.folder / "engines.json").read_text())["engines"]
    found = {(engine["engine"], *engine["used_by"]): engine for engine in engines}
    assert {name: engine["available"] for name, engine in found.items()} == {
        ("torch", "fastapi", "fastapi-tuned"): True,
        ("onnxruntime", *WITH_ONNX): True,
        ("torch", ELSEWHERE): False,
    }
    for engine in engines:
        if engine["available"]:
            assert engine["precision_check"]["precision_found"] == "fp32"
            assert {point["batch"] for point in engine["curve"]} == {1, 8}
