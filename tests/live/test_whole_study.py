"""One run over every kind of server, as a person starts it, from the experiment to the report."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from loadtests.records.run_trials import RunTables, read_trials
from loadtests.records.trials import TrialRecord
from study import app

pytestmark = pytest.mark.live

WITH_ONNX = ("litserve", "triton", "hybrid")
NAMES = ("fastapi", *WITH_ONNX)
CHANGES = {
    r"(?m)^contenders = \[[^]]*\]": f"contenders = {json.dumps(NAMES)}",
    "rounds = 2": "rounds = 1",
    "workers = 2": "workers = 1",  # two are started in test_locust_process
    r"\[calibration\]": '[calibration]\ncontenders = ["null-http"]',
    r"lengths_tokens = \[16, 64\]": "lengths_tokens = [16]",
}
"""What keeps the rehearsal of the study on a GPU short."""


@dataclass(frozen=True)
class WholeStudy:
    folder: Path
    said: str

    @property
    def trials(self) -> dict[str, TrialRecord]:
        return read_trials(self.folder)

    @property
    def measured(self) -> dict[str, TrialRecord]:
        """Without the calibration."""
        return {n: trial for n, trial in self.trials.items() if trial.purpose == "measurement"}


@pytest.fixture(scope="module")
def whole_study(
    root: Path, tmp_path_factory: pytest.TempPathFactory, machine_left_alone: None
) -> WholeStudy:
    folder = tmp_path_factory.mktemp("study")
    experiment = (root / "loadtests" / "experiments" / "gpu-rehearsal.toml").read_text()
    for there, short in CHANGES.items():
        experiment, n_replaced = re.subn(there, lambda _, short=short: short, experiment)
        assert n_replaced == 1
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


def test_triton_says_where_the_time_of_its_requests_went(whole_study: WholeStudy) -> None:
    timed = {
        trial.contender_name: growth(trial)
        for trial in whole_study.measured.values()
        if trial.counters_after["request_ns"] is not None
    }
    assert {"triton", "hybrid"} <= set(timed)
    assert "fastapi" not in timed
    for parts in timed.values():
        assert parts["network_ns"] > 0
        assert parts["queue_ns"] + parts["network_ns"] <= parts["request_ns"]
    assert timed["triton"]["tokenise_ns"] > 0
    assert "tokenise_ns" not in timed["hybrid"]


def growth(trial: TrialRecord) -> dict[str, int]:
    before, after = trial.counters_before, trial.counters_after
    return {name: value - before[name] for name, value in after.items() if value is not None}


def test_the_report_is_one_file_and_the_summary_names_every_contender(
    whole_study: WholeStudy,
) -> None:
    report = (whole_study.folder / "report.html").read_text(encoding="utf-8")
    summary = (whole_study.folder / "summary.json").read_text(encoding="utf-8")
    for name in NAMES:
        assert name in report
        assert f'"{name}"' in summary
    assert "<script src" not in report
    assert (whole_study.folder / "decision.md").exists()
    assert (whole_study.folder / "study.ipynb").exists()
    assert "Recommendation" in whole_study.said


def test_each_engine_is_measured_alone_for_all_that_run_it(whole_study: WholeStudy) -> None:
    engines = json.loads((whole_study.folder / "engines.json").read_text())["engines"]
    found = {(engine["engine"], *engine["used_by"]): engine for engine in engines}
    assert {name: engine["available"] for name, engine in found.items()} == {
        ("torch", "fastapi"): True,
        ("onnxruntime", *WITH_ONNX): True,
    }
    for engine in engines:
        assert engine["precision_check"]["precision_found"] == "fp32"
        assert {point["batch"] for point in engine["curve"]} == {1, 8}
