"""What the line of a finished trial says of it."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from loadtests.records.experiment import Slo
from loadtests.records.trials import Level, Phases, TrialRecord
from loadtests.run.progress import seen_in_words

SLO = Slo(percentile=99, latency_ms=100)


def record(level: Level, lag_ms: float | None = 1.0) -> TrialRecord:
    return TrialRecord(
        trial_id="t",
        purpose="measurement",
        contender={"name": "a", "protocol": "http-json"},
        level=level,
        repeat=1,
        order=1,
        status="completed",
        phases=Phases(1.0, 4.0),
        send_lag_p99_ms=lag_ms,
    )


def rows(latency_s: float, n_failed: int = 0) -> pd.DataFrame:
    """100 requests a second for 5 s, the first of which is the warm-up."""
    scheduled_s = np.arange(0, 5, 0.01)
    status = np.full(len(scheduled_s), "ok", dtype=object)
    status[len(status) - n_failed :] = "timeout"
    return pd.DataFrame(
        {
            "scheduled_s": scheduled_s,
            "sent_s": scheduled_s,
            "done_s": np.where(status == "ok", scheduled_s + latency_s, np.nan),
            "phase": np.where(scheduled_s < 1, "warm-up", "steady"),
            "status": status,
        }
    )


AT_100 = Level("open", rate_rps=100)


@pytest.mark.parametrize(
    ("latency_s", "changes", "said"),
    [
        (0.0881, {}, "100 rps: P99 88.1 ms of 400 requests, met"),
        (0.2124, {}, "100 rps: P99 212 ms of 400 requests, missed"),
        (0.008, {"n_failed": 8}, "100 rps: P99 8 ms of 400 requests, 2.0 % failed, missed"),
        (2.0, {}, "100 rps: P99 2,000 ms of 400 requests, saturated, missed"),
        (
            0.0,
            {"n_failed": 500},
            "100 rps: no answer to 400 requests, 100.0 % failed, saturated, missed",
        ),
    ],
)
def test_an_open_loop_says_rate_latency_and_whether_the_slo_was_met(
    latency_s: float, changes: dict[str, Any], said: str
) -> None:
    assert seen_in_words((record(AT_100), rows(latency_s, **changes)), SLO) == said


def test_what_a_late_client_measured_is_not_judged() -> None:
    trial = record(AT_100, lag_ms=60.0), rows(0.01)
    said = "100 rps: P99 10 ms of 400 requests, not judged"
    assert seen_in_words(trial, SLO) == said


def test_a_closed_loop_says_callers_and_throughput() -> None:
    trial = record(Level("closed", concurrency=16), lag_ms=None), rows(0.01)
    assert seen_in_words(trial, SLO) == "16 callers: 100 answers/s, P99 10 ms of 400 requests"
