"""Whole runs against null servers: what becomes of trials that fail, are late, or are there."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from loadtests import trial as trial_module
from loadtests.artefacts import Artefacts
from loadtests.cores import available_cores
from loadtests.plan import plan
from loadtests.records import TrialRecord, read_trial, trial_folders, write_json
from loadtests.run import execute
from loadtests.spec import CalibrationSpec, Experiment, LoadSpec, VariantSpec, resolve_contenders
from loadtests.tables import read_requests, read_telemetry
from loadtests.traffic import read_traffic
from loadtests.trial import RunContext, send_lag_p99_ms

BROKEN = VariantSpec(name="broken", base="null-http", options={"wire": "smoke signals"})


class Heard:
    """A progress that remembers."""

    def __init__(self) -> None:
        self.finished: list[str] = []

    def block_started(self, block: object) -> None: ...

    def trial_finished(self, trial: object, record: TrialRecord) -> None:
        self.finished.append(record.trial_id)


@pytest.fixture
def run(tmp_path: Path, traffic_file: Path) -> Callable[..., Heard]:
    def start(*contenders: str, rates_rps: tuple[float, ...] = (30,)) -> Heard:
        experiment = Experiment(
            name="t",
            reference=contenders[0],
            contenders=contenders,
            load=LoadSpec(rates_rps=rates_rps, warmup_s=0.2, steady_s=0.5, request_timeout_s=2),
            calibration=CalibrationSpec(contenders=()),
            variants=(BROKEN,),
        )
        cores = dict.fromkeys(("server", "load"), available_cores())
        artefacts = Artefacts(tmp_path, traffic_file, read_traffic(traffic_file), {}, {})
        context = RunContext(tmp_path, experiment, artefacts, cores, None)
        write_json(tmp_path / "manifest.json", {"schema_version": 1, "finished_at": None})
        heard = Heard()
        execute(plan(experiment, resolve_contenders(experiment)), context, heard)
        return heard

    return start


def trials(folder: Path) -> dict[str, TrialRecord]:
    return {path.name: read_trial(path) for path in trial_folders(folder)}


def test_a_contender_that_does_not_start_is_a_row_with_its_reason_and_the_rest_goes_on(
    run, tmp_path: Path
) -> None:
    run("null-http", "broken")
    found = trials(tmp_path)
    assert found["r1-null-http-30rps"].status == "completed"
    broken = found["r1-broken-30rps"]
    assert broken.status == "failed"
    assert "broken exited with code" in str(broken.reason)
    assert "smoke signals" in "\n".join(broken.log_tail)
    assert not (tmp_path / "trials/r1-broken-30rps/requests.parquet").exists()


def test_finished_trials_are_kept_and_only_missing_ones_are_run(run, tmp_path: Path) -> None:
    run("null-http", rates_rps=(30,))
    heard = run("null-http", rates_rps=(30, 40))
    assert heard.finished == ["r1-null-http-40rps"]
    assert set(trials(tmp_path)) == {"r1-null-http-30rps", "r1-null-http-40rps"}


def test_a_trial_whose_client_was_late_is_repeated_and_every_lag_is_recorded(
    run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial_module, "SEND_LAG_SHARE", 0.0)  # nobody sends at the very instant
    run("null-http")
    lags_ms = trials(tmp_path)["r1-null-http-30rps"].attempts_send_lag_p99_ms
    assert len(lags_ms) == 3
    assert all(lag_ms > 0 for lag_ms in lags_ms)


def test_a_trial_whose_client_was_on_time_is_run_once(
    run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial_module, "SEND_LAG_SHARE", 1000.0)
    run("null-http")
    assert len(trials(tmp_path)["r1-null-http-30rps"].attempts_send_lag_p99_ms) == 1


def test_telemetry_covers_the_steady_state_of_server_and_load_generator(
    run, tmp_path: Path
) -> None:
    run("null-http")
    folder = tmp_path / "trials/r1-null-http-30rps"
    samples = read_telemetry(folder)
    assert samples["t_s"].min() < 0.2
    assert samples["t_s"].max() > 0.7
    for role in ("server", "load"):
        assert samples[f"{role}_cpu_s"].dropna().is_monotonic_increasing
        assert (samples[f"{role}_rss_bytes"].dropna() > 1_000_000).all()
    assert samples["gpu_busy_pct"].isna().all()  # no GPU was given: null, never zero
    assert len(read_requests(folder)) > 0


def test_send_lag_counts_requests_of_the_steady_state_only() -> None:
    rows = pd.DataFrame(
        {
            "phase": ["warm-up", "steady", "steady"],
            "scheduled_s": [0.0, 1.0, 2.0],
            "sent_s": [0.5, 1.001, 2.004],
        }
    )
    assert send_lag_p99_ms(rows) == pytest.approx(4.0)
