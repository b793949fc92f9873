"""Locust as its own process: what is sent, when, and the rows that come back."""

import signal
import socket
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest

from loadtests.generator.schedule import Schedule, closed_schedule, open_schedule
from loadtests.generator.slice_order import ANSWER_SAMPLE_EVERY
from loadtests.launch.server import HOST, Ports, launched
from loadtests.measure import locust_process
from loadtests.measure.locust_process import DriveError, load_generator
from loadtests.records.arrivals import Poisson
from loadtests.wire.probe import read_counters
from servers.discovery import discover

BRIEF = Schedule(np.array([0.1, 0.4]), np.zeros(2, np.int32))


@dataclass(frozen=True)
class Counted:
    """A schedule, the rows that came of it, and what the server counted meanwhile."""

    schedule: Schedule
    warmup_s: float
    rows: pd.DataFrame
    counted: int


@pytest.fixture(scope="module", params=["null-http", "null-grpc"])
def replayed(request, null_server, generator, order_of) -> Counted:
    server = null_server(request.param)
    drawn = open_schedule(Poisson(), 60, 1.5, 20, (1,))
    one_as_the_warmup_ends = np.sort(np.append(drawn.times_s[1:], 0.5))
    schedule = Schedule(one_as_the_warmup_ends, drawn.text_ids)
    order = order_of(server, schedule)
    assert order.warmup_s in schedule.times_s
    before = read_counters(server.address)["requests_ok"]
    rows = generator.replay(order, schedule).rows
    counted = read_counters(server.address)["requests_ok"] - before
    return Counted(schedule, order.warmup_s, rows, counted)


def test_every_scheduled_request_becomes_one_row_in_order(replayed: Counted) -> None:
    rows = replayed.rows
    assert np.allclose(rows["scheduled_s"], replayed.schedule.times_s)
    assert rows["text_id"].tolist() == replayed.schedule.text_ids.tolist()
    assert set(rows["status"]) == {"ok"}
    assert (rows["sent_s"] >= rows["scheduled_s"]).all()
    assert (rows["done_s"] > rows["sent_s"]).all()


def test_warm_up_and_steady_state_are_told_apart_by_the_scheduled_time(replayed: Counted) -> None:
    warm = replayed.schedule.times_s < replayed.warmup_s
    assert replayed.rows["phase"].tolist() == np.where(warm, "warm-up", "steady").tolist()


def test_the_server_counts_as_many_requests_as_there_are_rows(replayed: Counted) -> None:
    assert replayed.counted == len(replayed.rows)


def test_some_answers_are_kept_for_parity(replayed: Counted) -> None:
    kept = replayed.rows.dropna(subset=["label"])
    assert set(kept["request_index"] % ANSWER_SAMPLE_EVERY) == {0}
    assert set(kept["label"]) == {"null"}


def test_slices_of_any_protocol_share_one_locust(null_server, generator, order_of) -> None:
    pid = generator.pid
    for name in ("null-grpc", "null-http", "null-grpc"):
        rows = generator.replay(order_of(null_server(name), BRIEF), BRIEF).rows
        assert rows["status"].tolist() == ["ok", "ok"]
    assert generator.pid == pid


def test_two_processes_send_one_schedule_without_changing_it(
    null_server, traffic_file: Path, order_of, tmp_path: Path
) -> None:
    schedule = open_schedule(Poisson(), 60, 1.5, 20, (2,))
    order = order_of(null_server("null-grpc"), schedule)
    with load_generator(traffic_file, (), 2, tmp_path / "log") as generator:
        replayed = generator.replay(order, schedule)
    rows = replayed.rows
    assert sorted(rows["request_index"]) == list(range(len(schedule.times_s)))
    assert np.allclose(rows["scheduled_s"], schedule.times_s)
    assert (rows["sent_s"] >= rows["scheduled_s"]).all()
    assert rows["worker"].value_counts().min() >= len(schedule.times_s) // 2
    assert set(rows.dropna(subset=["label"])["worker"]) == {0, 1}  # each compares answers
    assert set(replayed.clock_offsets) == {"0", "1"}
    for offset in replayed.clock_offsets.values():  # they share the clock
        assert abs(offset.offset_s) <= offset.uncertainty_s


def test_nothing_of_the_working_directory_gets_into_server_or_load(
    traffic_file: Path, order_of, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stood_in = tmp_path / "stood in"
    (stood_in / "servers").mkdir(parents=True)
    (stood_in / "servers" / "__init__.py").write_text("raise RuntimeError('not this one')")
    (stood_in / "locust.conf").write_text("users = 0\nno-such-option = 1\n")
    monkeypatch.chdir(stood_in)
    contender = discover()["null-http"]
    with (
        launched(contender, model_dir=Path(), cores=(), log=tmp_path / "log") as server,
        load_generator(traffic_file, (), 1, tmp_path / "locust.log") as generator,
    ):
        assert len(generator.replay(order_of(server, BRIEF), BRIEF).rows) == 2


def test_a_closed_loop_keeps_no_more_than_its_callers_in_flight(
    null_server, generator, order_of
) -> None:
    schedule = closed_schedule(20, (4,))
    order = order_of(null_server("null-http"), schedule, concurrency=3)
    rows = generator.replay(order, schedule).rows
    starts, ends = rows["sent_s"].to_numpy(), rows["done_s"].to_numpy()
    in_flight = [((starts <= t) & (ends > t)).sum() for t in starts]
    assert max(in_flight) == 3
    assert rows["done_s"].max() >= 1.4


def test_a_server_that_is_not_there_gives_failed_rows_not_a_failed_slice(
    null_server, generator, order_of
) -> None:
    rows = generator.replay(order_of(null_server("null-http"), BRIEF, port=1), BRIEF).rows
    assert set(rows["status"]) == {"connection"}


def test_a_slice_that_locust_cannot_replay_says_why_and_the_next_one_works(
    null_server, generator, order_of
) -> None:
    unreadable = order_of(null_server("null-http"), BRIEF, foreign_wire={"no": "such field"})
    with pytest.raises(
        DriveError, match="found that a Locust process failed with TypeError"
    ) as why:
        generator.replay(unreadable, BRIEF)
    assert why.value.client_failed
    assert "Traceback" in "\n".join(why.value.log_tail)
    assert len(generator.replay(order_of(null_server("null-http"), BRIEF), BRIEF).rows) == 2


def test_a_slice_that_is_cut_off_leaves_no_process_and_the_next_one_works(
    null_server, generator, order_of, alive: Callable[[list[psutil.Process]], list[psutil.Process]]
) -> None:
    def time_is_up(*_: object) -> None:
        raise KeyboardInterrupt

    endless = closed_schedule(20, (4,))
    long = order_of(null_server("null-http"), endless, steady_s=60.0)
    process = psutil.Process(generator.pid)
    before = signal.signal(signal.SIGALRM, time_is_up)
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    try:
        with pytest.raises(KeyboardInterrupt):
            generator.replay(long, endless)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert alive([process]) == []
    assert len(generator.replay(order_of(null_server("null-http"), BRIEF), BRIEF).rows) == 2


@pytest.mark.parametrize(
    ("who", "how", "found"),
    [
        ("leader", signal.SIGKILL, r"its end \(exit code -9\)"),
        ("leader", signal.SIGSTOP, "none"),
        ("worker", signal.SIGKILL, "that 1 of 2 Locust processes were lost"),
    ],
)
def test_a_process_that_dies_or_hangs_costs_its_slice_only(
    who: str,
    how: signal.Signals,
    found: str,
    null_server,
    traffic_file: Path,
    order_of,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    alive: Callable[[list[psutil.Process]], list[psutil.Process]],
) -> None:
    monkeypatch.setattr(locust_process, "SPARE_S", 0.1 if found == "none" else 30.0)
    order = order_of(null_server("null-http"), BRIEF, timeout_s=0.5)
    workers = 1 + (who == "worker")
    with load_generator(traffic_file, (), workers, tmp_path / "log") as generator:
        leader = psutil.Process(generator.pid)
        family = [leader, *leader.children()]
        # Killed before it is known to be dead: as in the middle of a slice.
        ready = generator._ready()
        family[0 if who == "leader" else -1].send_signal(how)
        monkeypatch.setattr(generator, "_ready", lambda: ready)
        with pytest.raises(DriveError, match=f"expected the rows of {workers} .*, found {found}"):
            generator.replay(order, BRIEF)
        assert alive(family) == []


def test_a_locust_that_ended_between_two_slices_is_started_again(
    null_server, generator, order_of
) -> None:
    process = psutil.Process(generator.pid)
    process.kill()
    process.wait()
    assert len(generator.replay(order_of(null_server("null-http"), BRIEF), BRIEF).rows) == 2


@pytest.mark.parametrize(
    ("says", "found"),
    [
        (b'[{"ready": 1}, []]\nhello\n', "something else .*Expecting value"),
        (b'[{"ready": 1}, []]\n[{"start_s": 1}, []]\n', "something else .*clock_offsets"),
        (
            b'[{"ready": 1}, []]\n[{"start_s": 1, "clock_offsets": []}, [3]]\nabc',
            "something else",
        ),
    ],
)
def test_an_answer_that_is_none_fails_the_slice(
    says: bytes, found: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, order_of, null_server
) -> None:
    def babbler(command: Sequence[str], *_: object) -> psutil.Popen:
        code = "import os, sys, time; os.write(int(sys.argv[1]), eval(sys.argv[2])); time.sleep(60)"
        channel = command[-1]
        return psutil.Popen(
            [sys.executable, "-c", code, channel, repr(says)],
            pass_fds=(int(channel),),
            start_new_session=True,
        )

    monkeypatch.setattr(locust_process, "started_locust", babbler)
    (tmp_path / "log").write_text("its last words\n")
    with load_generator(tmp_path, (), 1, tmp_path / "log") as generator:
        with pytest.raises(DriveError, match=f"expected the rows of 1 .* found {found}") as caught:
            generator.replay(order_of(null_server("null-http"), BRIEF), BRIEF)
        assert caught.value.log_tail == ("its last words",)


def test_a_leader_that_ends_before_its_workers_joined_is_seen_at_once(
    traffic_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        ports = Ports(taken.getsockname()[1], {})
        monkeypatch.setattr(locust_process, "free_ports", lambda names: ports)
        with (
            load_generator(traffic_file, (), 2, tmp_path / "log") as generator,
            pytest.raises(DriveError, match=r"found its end \(exit code 1\)"),
        ):
            assert generator.pid
