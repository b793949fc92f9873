"""Locust as its own process: what is sent, when, and the rows that come back."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from loadtests.generator.assignment import ANSWER_SAMPLE_EVERY
from loadtests.generator.schedule import Schedule, closed_schedule, open_schedule
from loadtests.generator.worker_rows import read_rows
from loadtests.launch.server import launched
from loadtests.measure.locust_process import DriveError, driving
from loadtests.records.arrivals import Poisson
from loadtests.wire.probe import read_counters
from servers.discovery import discover


def run(assignment, tmp_path: Path):
    with driving(assignment, (), tmp_path / "locust.log") as drive:
        drive.wait()
    return read_rows(tmp_path, assignment.warmup_s)[0]


@dataclass(frozen=True)
class Replayed:
    """A schedule, the rows that came of it, and what the server counted meanwhile."""

    schedule: Schedule
    warmup_s: float
    rows: pd.DataFrame
    counted: int


@pytest.fixture(scope="module", params=["null-http", "null-grpc"])
def replayed(request, null_server, assign_in, tmp_path_factory: pytest.TempPathFactory) -> Replayed:
    folder, server = tmp_path_factory.mktemp("replayed"), null_server(request.param)
    drawn = open_schedule(Poisson(), 60, 1.5, 20, (1,))
    one_as_the_warmup_ends = np.sort(np.append(drawn.times_s[1:], 0.5))
    schedule = Schedule(one_as_the_warmup_ends, drawn.text_ids)
    assignment = assign_in(folder, server, schedule)
    assert assignment.warmup_s in schedule.times_s
    before = read_counters(server.address)["requests_ok"]
    rows = run(assignment, folder)
    counted = read_counters(server.address)["requests_ok"] - before
    return Replayed(schedule, assignment.warmup_s, rows, counted)


def test_every_scheduled_request_becomes_one_row_in_order(replayed: Replayed) -> None:
    rows = replayed.rows
    assert np.allclose(rows["scheduled_s"], replayed.schedule.times_s)
    assert rows["text_id"].tolist() == replayed.schedule.text_ids.tolist()
    assert set(rows["status"]) == {"ok"}
    assert (rows["sent_s"] >= rows["scheduled_s"]).all()
    assert (rows["done_s"] > rows["sent_s"]).all()


def test_warm_up_and_steady_state_are_told_apart_by_the_scheduled_time(replayed: Replayed) -> None:
    warm = replayed.schedule.times_s < replayed.warmup_s
    assert replayed.rows["phase"].tolist() == np.where(warm, "warm-up", "steady").tolist()


def test_the_server_counts_as_many_requests_as_there_are_rows(replayed: Replayed) -> None:
    assert replayed.counted == len(replayed.rows)


def test_some_answers_are_kept_for_parity(replayed: Replayed) -> None:
    kept = replayed.rows.dropna(subset=["label"])
    assert set(kept["request_index"] % ANSWER_SAMPLE_EVERY) == {0}
    assert set(kept["label"]) == {"null"}


def test_two_processes_send_one_schedule_without_changing_it(
    null_server, assign, tmp_path: Path
) -> None:
    schedule = open_schedule(Poisson(), 60, 1.5, 20, (2,))
    rows = run(assign(null_server("null-grpc"), schedule, workers=2), tmp_path)
    assert sorted(rows["request_index"]) == list(range(len(schedule.times_s)))
    assert np.allclose(rows["scheduled_s"], schedule.times_s)
    assert rows["worker"].value_counts().min() >= len(schedule.times_s) // 2
    assert set(rows.dropna(subset=["label"])["worker"]) == {0, 1}  # each compares answers


def test_nothing_of_the_working_directory_gets_into_server_or_load(
    assign, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stood_in = tmp_path / "stood in"
    (stood_in / "servers").mkdir(parents=True)
    (stood_in / "servers" / "__init__.py").write_text("raise RuntimeError('not this one')")
    (stood_in / "locust.conf").write_text("users = 0\nno-such-option = 1\n")
    monkeypatch.chdir(stood_in)
    schedule = Schedule(np.array([0.1, 0.4]), np.zeros(2, np.int32))
    contender = discover()["null-http"]
    with launched(contender, model_dir=Path(), cores=(), log=tmp_path / "log") as server:
        assert len(run(assign(server, schedule), tmp_path)) == 2


def test_a_closed_loop_keeps_no_more_than_its_callers_in_flight(
    null_server, assign, tmp_path: Path
) -> None:
    rows = run(assign(null_server("null-http"), closed_schedule(20, (4,)), concurrency=3), tmp_path)
    starts, ends = rows["sent_s"].to_numpy(), rows["done_s"].to_numpy()
    in_flight = [((starts <= t) & (ends > t)).sum() for t in starts]
    assert max(in_flight) == 3
    assert rows["done_s"].max() >= 1.4


def test_a_server_that_is_not_there_gives_failed_rows_not_a_failed_run(
    null_server, assign, tmp_path: Path
) -> None:
    schedule = open_schedule(Poisson(), 20, 1, 20, (6,))
    rows = run(assign(null_server("null-http"), schedule, port=1), tmp_path)
    assert set(rows["status"]) == {"connection"}


def test_a_replay_that_cannot_start_is_reported_with_its_log(
    null_server, assign, tmp_path: Path
) -> None:
    broken = assign(null_server("null-http"), closed_schedule(20, (7,)), traffic="/nowhere.jsonl")
    with pytest.raises(DriveError, match="expected rows from 1 Locust processes") as caught:
        run(broken, tmp_path)
    assert "No such file or directory: '/nowhere.jsonl'" in "\n".join(caught.value.log_tail)
