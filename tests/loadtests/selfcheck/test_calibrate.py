"""What a calibration measures, how it is judged, and what it writes."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from loadtests.records.steady_state import steady_state
from loadtests.records.trials import Level, Phases
from loadtests.selfcheck.calibrate import save_calibration
from loadtests.selfcheck.calibration import (
    WARMUP_S,
    Calibrated,
    Round,
    budgets,
    summarise,
)
from loadtests.selfcheck.stock_client import stock_client
from loadtests.wire.probe import read_counters

CORES = {"server": (0,), "load": (1,)}
CALLERS = Level("closed", concurrency=16)


def taken(n: int, *, cpu_s: float | None = 1.0, failed: int = 0, lag_s: float = 0.0) -> Round:
    """n requests within one second of steady state, 2 ms each, the last of them failed."""
    scheduled_s = [WARMUP_S + k / n for k in range(n)]
    frame = pd.DataFrame({"scheduled_s": scheduled_s, "phase": "steady", "status": "ok"})
    frame["sent_s"] = frame["scheduled_s"] + lag_s
    frame["done_s"] = frame["sent_s"] + 0.002
    frame.loc[n - failed :, "status"] = "timeout"
    cpu = {"server": 0.25, "load": cpu_s}
    return Round(steady_state(frame, Phases(WARMUP_S, 1.0)), cpu)


def calibrated(*rounds: Round, load: Level = CALLERS) -> Calibrated:
    return summarise("http-json", "study", load, rounds, CORES)


def test_throughput_counts_the_successes_done_within_the_steady_states() -> None:
    row = calibrated(taken(1000, failed=100), taken(2000))
    assert row.throughput_rps == pytest.approx((900 + 2000) / 2, abs=5)  # the last are done later
    assert row.rounds_rps == pytest.approx((900, 2000), abs=5)
    assert row.errors == 100


def test_requests_per_core_are_those_of_a_cpu_second_of_the_client() -> None:
    half_used = calibrated(taken(1000, cpu_s=0.5))
    assert half_used.rps_per_core == pytest.approx(2000, abs=5)
    assert (half_used.load_cpu, half_used.server_cpu) == (0.5, 0.25)


def test_cpu_that_was_not_sampled_is_null_and_never_zero() -> None:
    row = calibrated(taken(1000), taken(1000, cpu_s=None))
    assert (row.load_cpu, row.rps_per_core) == (None, None)


def test_a_percentile_is_stated_only_where_the_sample_allows() -> None:
    few, many = calibrated(taken(999)), calibrated(taken(1000))
    assert (few.service_p50_ms, few.service_p99_ms) == (pytest.approx(2), None)
    assert many.service_p99_ms == pytest.approx(2)


def test_send_lag_is_stated_in_the_open_loop_only() -> None:
    late = taken(1000, lag_s=0.003)
    assert calibrated(late, load=Level("open", rate_rps=1000)).send_lag_p99_ms == pytest.approx(3)
    assert calibrated(late).send_lag_p99_ms is None


@pytest.mark.parametrize(
    ("cpu_s", "load", "limit"),
    [
        (0.95, CALLERS, "client"),
        (0.5, CALLERS, "other programs, or waiting"),
        (0.5, Level("closed", concurrency=1), "round trip"),
        (0.5, Level("open", rate_rps=1000), "schedule"),
    ],
)
def test_each_row_says_what_limited_it(cpu_s: float, load: Level, limit: str) -> None:
    assert calibrated(taken(1000, cpu_s=cpu_s), load=load).limited_by == limit


@pytest.mark.parametrize("load", [CALLERS, Level("open", rate_rps=1000)])
def test_what_limited_a_row_is_not_known_where_a_side_was_not_sampled(load: Level) -> None:
    assert calibrated(taken(1000, cpu_s=None), load=load).limited_by == "not known"


def rows_of(
    protocol: str, ratio: float, lag_s: float, lag_at_low_s: float = 0.0004
) -> list[Calibrated]:
    fast, slow = taken(1000, cpu_s=0.1), taken(1000, cpu_s=0.1 * ratio)
    low, half = Level("open", rate_rps=400), Level("open", rate_rps=500)
    return [
        summarise(protocol, "study", CALLERS, [fast], CORES),
        summarise(protocol, "stock", CALLERS, [slow], CORES),
        summarise(protocol, "study", Level("closed", concurrency=1), [fast], CORES),
        summarise(protocol, "study", low, [taken(1000, lag_s=lag_at_low_s)], CORES),
        summarise(protocol, "study", half, [taken(1000, lag_s=lag_s)], CORES),
    ]


def test_budgets_are_met_at_their_bounds_and_missed_beyond() -> None:
    met = budgets(rows_of("http-json", 4.01, 0.0019) + rows_of("kserve-grpc", 2.01, 0.0019))
    missed = budgets(rows_of("http-json", 3.99, 0.0021) + rows_of("kserve-grpc", 1.99, 0.0021))
    assert [budget.met for budget in met] == [True] * 4
    assert [budget.met for budget in missed] == [False] * 4


def test_a_core_whose_quiet_was_not_measured_does_not_count_as_quiet() -> None:
    rows = rows_of("http-json", 5, 0.0021)
    rows[3] = replace(rows[3], send_lag_p99_ms=None)
    assert [budget.met for budget in budgets([*rows, *rows_of("kserve-grpc", 5, 0.001)])] == [
        *(True, None),
        *(True, True),
    ]


@pytest.mark.parametrize(
    ("lag_at_low_s", "met"), [(0.00049, [True, False]), (0.00051, [True, None])]
)
def test_lag_above_its_budget_is_not_judged_where_the_core_was_not_quiet(
    lag_at_low_s: float, met: list[bool | None]
) -> None:
    found = budgets(
        rows_of("http-json", 5, 0.0019, lag_at_low_s) + rows_of("kserve-grpc", 5, 3, lag_at_low_s)
    )
    assert [budget.met for budget in found if "send lag" in budget.name] == met


def test_what_is_stored_says_on_what_it_was_measured(tmp_path: Path) -> None:
    rows = rows_of("http-json", 5, 0.001) + rows_of("kserve-grpc", 3, 0.001)
    path = save_calibration(tmp_path, rows, CORES, "study calibrate", datetime.now(UTC))
    stored = json.loads(path.read_text(encoding="utf-8"))
    assert stored["cores"] == {"server": [0], "load": [1]}
    assert len(stored["rows"]) == 10
    assert stored["rows"][1]["client"] == "FastHttpUser"
    assert [budget["met"] for budget in stored["budgets"]] == [True] * 4
    assert stored["machine"]["cpu_count"]
    assert stored["versions"]["locust"]
    assert "commit" in stored["git"]


@pytest.mark.parametrize("name", ["null-http", "null-grpc"])
def test_stock_users_leave_one_row_for_each_of_their_requests(
    name: str, null_server, traffic_file: Path
) -> None:
    server = null_server(name)
    before = read_counters(server.address)["requests_ok"]
    with stock_client(server.address, 3, Phases(0.5, 1.0), traffic_file, ()) as client:
        rows, _ = client.rows()
    answered = read_counters(server.address)["requests_ok"] - before
    assert set(rows["status"]) == {"ok"}
    assert (rows["done_s"] > rows["sent_s"]).all()
    # Those of the ramp-up, before the clock starts, and the last of each caller have no row.
    assert 0 < len(rows) <= answered
    assert rows["done_s"].max() <= 1.5 + 1
