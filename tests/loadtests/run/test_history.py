"""What a run knows from its finished slices."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from loadtests.records.experiment import LoadSpec, Slo
from loadtests.records.stored import RecordError
from loadtests.records.tables import REQUESTS_SCHEMA, TELEMETRY_SCHEMA, write_table
from loadtests.records.trials import (
    CLIENT_LIMIT,
    Level,
    ParityRecord,
    Phases,
    TrialRecord,
    write_trial,
)
from loadtests.run.history import History, spoilt_by_client
from loadtests.spec.experiment import Experiment

SLO = Slo(percentile=99, latency_ms=100)

QUIET = {"server": 0.01, "load": 0.02}
DISTURBED: dict[str, Any] = {
    "cores": {"server": (0,), "load": (1,)},
    "foreign_share": {"server": 0.6, "load": 0.0},
}
"""Fields of a trial beside which a program used most of the server's core."""


def record(name: str = "a", rate_rps: float = 100, **changes: object) -> TrialRecord:
    fields: dict[str, object] = {
        "trial_id": f"r1-{name}-{rate_rps:g}rps",
        "purpose": "search",
        "contender": {
            "name": name,
            "server": "s",
            "protocol": "http-json",
            "engine": "none",
            "setting": "tuned",
            "batching": False,
            "summary": "A contender of these tests.",
            "components": 1,
        },
        "level": Level("open", rate_rps=rate_rps),
        "repeat": 1,
        "order": 1,
        "status": "completed",
        "startup_s": 2.0,
        "phases": Phases(1.0, 4.0),
        "send_lag_p99_ms": 1.0,
    }
    return TrialRecord(**(fields | changes))  # type: ignore[arg-type]  # any field may be changed


def rows(latency_s: float) -> pd.DataFrame:
    """500 requests."""
    scheduled_s = np.arange(0, 5, 0.01)
    return pd.DataFrame(
        {
            "request_index": np.arange(len(scheduled_s)),
            "scheduled_s": scheduled_s,
            "sent_s": scheduled_s + 0.001,
            "done_s": scheduled_s + latency_s,
            "phase": np.where(scheduled_s < 1, "warm-up", "steady"),
            "status": "ok",
        }
    )


@pytest.fixture
def history(tmp_path: Path):
    experiment = Experiment(
        name="t",
        reference="a",
        contenders=("a", "b"),
        load=LoadSpec(rates_rps=(10,)),
        slo=SLO,
        more_slos=(Slo(percentile=50, latency_ms=10),),
    )

    def saved(*trials: tuple[TrialRecord, float]) -> History:
        for trial, latency_s in trials:
            folder = tmp_path / "trials" / trial.trial_id
            folder.mkdir(parents=True)
            write_table(folder / "requests.parquet", rows(latency_s), REQUESTS_SCHEMA)
            write_table(folder / "telemetry.parquet", pd.DataFrame(), TELEMETRY_SCHEMA)
            write_trial(folder, trial)
        return History.read(tmp_path, experiment)

    return saved


def met(history: History, contender: str) -> list[tuple[bool, ...]]:
    return [tuple(o.met for o in seen.outcomes) for seen in history.seen(contender)]


def test_every_slo_is_judged_from_the_same_slice(history) -> None:
    found = history((record(), 0.05), (record(rate_rps=200, order=2), 0.15), (record("b"), 0.001))
    assert met(found, "a") == [(True, False), (False, False)]
    assert met(found, "b") == [(True, True)]


def test_slices_at_common_rates_count_for_the_search_too(history) -> None:
    common = record(trial_id="r2-a-100rps", purpose="measurement", repeat=2, order=2)
    assert len(met(history((record(), 0.05), (common, 0.05)), "a")) == 2


@pytest.mark.parametrize(
    "spoilt", [DISTURBED, {"send_lag_p99_ms": 30.0}, {"send_lag_p99_ms": None}]
)
def test_what_a_late_client_or_a_disturbed_machine_measured_says_nothing(
    history, spoilt: dict[str, Any]
) -> None:
    assert met(history((record(**spoilt), 0.05)), "a") == [()]


def test_a_slice_whose_client_ran_out_of_something_says_nothing() -> None:
    limited = rows(0.05)
    limited.loc[limited.index[200:], "status"] = CLIENT_LIMIT
    assert spoilt_by_client(record(), limited, SLO)
    assert not spoilt_by_client(record(), rows(0.05), SLO)


def test_a_slice_that_machine_or_client_spoilt_is_to_be_made_again(history) -> None:
    found = history()
    assert found.to_be_made_again(record(**DISTURBED))
    assert found.to_be_made_again(record(send_lag_p99_ms=30.0))
    assert not found.to_be_made_again(record(**DISTURBED | {"foreign_share": QUIET}))
    assert found.to_be_made_again(record(status="failed", client_failed=True))
    assert not found.to_be_made_again(record(status="failed"))


def test_a_contender_with_wrong_answers_is_out(history) -> None:
    wrong = record("b", parity=ParityRecord(checked=10, mismatches=1, max_confidence_gap=0.5))
    found = history((record("a"), 0.05), (wrong, 0.05))
    assert not found.is_out("a")
    assert found.is_out("b")


def test_a_contender_that_was_never_up_is_out(history) -> None:
    assert history((record(status="failed", startup_s=None), 0.05)).is_out("a")
    assert not history((record("b", status="failed", startup_s=2.0), 0.05)).is_out("b")


def test_a_contender_that_failed_twice_in_a_row_is_out_and_one_that_came_back_is_not(
    history,
) -> None:
    def slices(name: str, *status: str) -> list[tuple[TrialRecord, float]]:
        return [
            (record(name, trial_id=f"r{k}-{name}", repeat=k, order=k, status=each), 0.05)
            for k, each in enumerate(status, start=1)
        ]

    assert history(*slices("a", "completed", "failed", "failed")).is_out("a")
    assert not history(*slices("b", "failed", "completed", "failed")).is_out("b")


def test_rates_are_valid_up_to_half_of_what_the_client_can_do(history) -> None:
    calibrated = record("null", purpose="calibration", level=Level("closed", concurrency=4))
    found = history((calibrated, 0.0))
    assert found.highest_valid_rps("http-json") == pytest.approx(50, rel=0.01)
    assert found.highest_valid_rps("kserve-grpc") == float("inf")


def test_a_disturbed_calibration_does_not_lower_what_the_client_can_do(history) -> None:
    closed = Level("closed", concurrency=4)
    spoilt = record("null", purpose="calibration", level=closed, **DISTURBED)
    assert history((spoilt, 0.0)).highest_valid_rps("http-json") == float("inf")


def test_calibration_is_no_round(history) -> None:
    calibrated = record("null", purpose="calibration", level=Level("closed", concurrency=4))
    assert history((calibrated, 0.0)).last_round == 0
    assert history((record(repeat=3), 0.05)).last_round == 3


def test_a_copied_slice_is_refused_before_it_is_counted(history, tmp_path: Path) -> None:
    found = history((record(), 0.05))
    trials = tmp_path / "trials"
    shutil.copytree(trials / "r1-a-100rps", trials / "r1-a-100rps-2")
    with pytest.raises(RecordError, match="a trial counts once"):
        History.read(tmp_path, found.experiment)
