"""Whole runs in which a contender runs already, beside one that the study starts."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from typer.testing import CliRunner

from loadtests.launch.artefacts import Artefacts
from loadtests.launch.server import launched
from loadtests.records.experiment import CalibrationSpec, LoadSpec
from loadtests.records.run_trials import RunTables, read_trials
from loadtests.records.trials import TrialRecord
from loadtests.spec.experiment import Experiment
from loadtests.spec.external import HttpJsonService
from loadtests.wire.texts import read_traffic
from servers.discovery import discover
from study import app

SECRET = "t0p-s3cret-value"


@pytest.fixture
def run(
    tmp_path: Path,
    traffic_file: Path,
    run_unheard: Callable[..., Path],
) -> Callable[..., dict[str, TrialRecord]]:
    """Runs contenders and returns the trials by name."""

    def start(
        service: HttpJsonService,
        contenders: Sequence[str] = ("null-http", "mine"),
        rates_rps: Sequence[float] = (60,),
        after_trial: Callable[[], None] = lambda: None,
    ) -> dict[str, TrialRecord]:
        experiment = Experiment(
            name="t",
            rounds=len(rates_rps),
            reference=contenders[0],
            contenders=tuple(contenders),
            load=LoadSpec(
                rates_rps=tuple(rates_rps), warmup_s=0.2, steady_s=0.5, request_timeout_s=2
            ),
            calibration=CalibrationSpec(contenders=()),
            external=(service,),
        )
        artefacts = Artefacts(tmp_path, traffic_file, read_traffic(traffic_file), {}, {})
        heard = Mock()
        heard.slice_finished.side_effect = lambda *_: after_trial()
        folder = run_unheard(experiment, artefacts, tmp_path / "results", heard, left_alone=True)
        return read_trials(folder)

    return start


def service(url: str, **changes: Any) -> HttpJsonService:
    fields: dict[str, Any] = {
        "name": "mine",
        "protocol": "http-json",
        "url": url,
        "path": "/v1/classify",
        "body": '{"inputs": ["{text}"]}',
        "label": "predictions[0].label",
        "compare": False,
        "components": ["service", "model"],
    }
    return HttpJsonService(**{**fields, **changes})


def test_a_running_service_is_measured_beside_a_contender_of_the_study(
    run, foreign, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STUDY_TEST_TOKEN", SECRET)
    headers = {"x-token": "env:STUDY_TEST_TOKEN"}
    trials = run(service(foreign.url, headers=headers, confidence="predictions[0].score"))
    assert {trial.status for trial in trials.values()} == {"completed"}
    (folder,) = (tmp_path / "results").iterdir()
    tables = RunTables(folder)
    (mine,) = [name for name in trials if "mine" in name]
    (null,) = [name for name in trials if "null-http" in name]

    record = trials[mine]
    assert (record.contender["engine"], record.contender["setting"]) == ("external", "external")
    assert (record.contender["form"], trials[null].contender["form"]) == ("external", "embedded")
    assert (record.startup_s, record.counters_before, record.counters_after) == (None, None, None)
    assert set(record.cores) == {"load"}
    assert record.parity is not None
    assert (record.parity.against, record.parity.mismatches) == ("consistency", 0)
    assert record.parity.checked > 3

    rows = tables.requests(record)
    assert (rows["status"] == "ok").all()
    assert set(rows["label"].dropna()) <= {f"class of hello {k}" for k in range(20)}
    assert set(rows["confidence"].dropna()) == {0.25}
    assert rows["scheduled_s"].tolist() == tables.requests(trials[null])["scheduled_s"].tolist()
    samples = tables.telemetry(record)
    assert samples["server_cpu_s"].isna().all()
    assert samples["load_cpu_s"].notna().any()
    assert record.telemetry_sources["server_cpu_s"] is None

    assert {headers["x-token"] for headers, _ in foreign.seen} == {SECRET}
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [path for path in written if SECRET.encode() in path.read_bytes()] == []
    assert any(b"env:STUDY_TEST_TOKEN" in path.read_bytes() for path in written)


def test_a_service_that_answers_differently_under_load_breaks_parity(run, foreign) -> None:
    # Before the load each text is asked twice, one after the other; later answers are others.
    asked_before = 2 * 20
    foreign.label_of = lambda _: "calm" if len(foreign.seen) <= asked_before else "hurried"
    (record,) = run(service(foreign.url), contenders=("mine",), rates_rps=(300,)).values()
    assert record.parity is not None
    assert record.parity.mismatches > 0
    assert "calm before, hurried later" in str(record.parity.example)


def test_a_service_that_disappears_is_a_failed_row_that_names_it(run, tmp_path: Path) -> None:
    null, log = discover()["null-http"], tmp_path / "null.log"
    with launched(null, model_dir=tmp_path, cores=(), log=log) as running:
        assert running.process
        url = running.address.url
        wire = {"path": "/predict", "body": '{"text": "{text}"}', "label": "label"}
        trials = run(
            service(url, **wire),
            contenders=("mine",),
            rates_rps=(20, 30),
            after_trial=running.process.kill,
        )
    assert sorted(trial.status for trial in trials.values()) == ["completed", "failed"]
    (failed,) = [trial for trial in trials.values() if trial.status == "failed"]
    assert f"mine at {url}: expected an answer, found Connection" in str(failed.reason)


def experiment_with(folder: Path, url: str) -> Path:
    path = folder / "experiment.toml"
    path.write_text(
        f"""
        name = "tiny"
        reference = "null-http"
        contenders = ["null-http", "mine"]
        [load]
        rates_rps = [20]
        [[external]]
        name = "mine"
        protocol = "http-json"
        url = "{url}"
        path = "/v1/classify"
        body = '{{"inputs": ["{{text}}"]}}'
        label = "predictions[0].name"
        compare = false
        components = ["service"]
        """,
        encoding="utf-8",
    )
    return path


@pytest.mark.parametrize("answers", [True, False])
def test_a_service_that_cannot_be_used_stops_the_study_before_anything_is_written(
    answers: bool, foreign, tmp_path: Path
) -> None:
    url = foreign.url if answers else "http://127.0.0.1:9"
    experiment = str(experiment_with(tmp_path, url))
    done = CliRunner().invoke(app, ["run", experiment, "--results", str(tmp_path / "results")])
    assert done.exit_code == 2
    assert f"mine: this load goes to {url}/v1/classify: 20 requests/s" in done.stdout
    expected = "expected something at `predictions[0].name`" if answers else "expected an answer"
    assert f"study: mine at {url}: {expected}" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "results").exists()
