"""When Triton is started again, and when no more; small processes play Triton here."""

import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from servers.triton_service import supervisor as module
from servers.triton_service.process import TritonError
from servers.triton_service.supervisor import Supervisor, pause_s

PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print(child.pid, flush=True)
time.sleep(60)  # it never waits for its child, nor does Triton
"""


class FakeTriton:
    """A process with one child of its own."""

    def __enter__(self) -> "FakeTriton":
        self.process = subprocess.Popen(
            [sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True
        )
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        with suppress(psutil.NoSuchProcess):
            psutil.Process(self.child).kill()
        assert self.process.stdout is not None
        self.process.stdout.close()

    @property
    def pid(self) -> int:
        return self.process.pid

    def wait_until_ready(self) -> None:
        assert self.process.stdout is not None
        said = self.process.stdout.readline()
        if not said:
            raise self.ended()
        self.child = int(said)

    def has_ended(self) -> bool:
        return self.process.poll() is not None

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def ended(self) -> TritonError:
        return TritonError(f"it ended with code {self.process.poll()}")


class Watched:
    """A supervisor over such servers, all of which are kept."""

    def __init__(self, folder: Path, check: Callable[[Any], None] = lambda _: None) -> None:
        self.servers: list[FakeTriton] = []
        self.notes = folder / "notes"
        self.ended = threading.Event()
        self.supervisor = Supervisor(self._make, self.notes, check, self.ended.set)  # type: ignore[arg-type]

    def _make(self) -> FakeTriton:
        self.servers.append(FakeTriton())
        return self.servers[-1]

    def told(self) -> list[str]:
        return self.notes.read_text().splitlines() if self.notes.exists() else []


@pytest.fixture(autouse=True)
def _in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(module, "LONGEST_PAUSE_S", 0.01)


def test_the_pauses_grow_and_the_sixth_restart_within_ten_minutes_is_not_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.undo()
    restarts_s: list[float] = []
    pauses = []
    for now_s in range(100, 106):
        pauses.append(pause_s(restarts_s, now_s))
        restarts_s.append(now_s)
    assert pauses == [0.5, 1.0, 2.0, 4.0, 4.0, None]


def test_restarts_of_more_than_ten_minutes_ago_do_not_count() -> None:
    assert pause_s([0.0] * 5, module.WITHIN_S) == module.FIRST_PAUSE_S


def test_a_server_that_dies_is_started_again_and_both_is_said(tmp_path: Path, until: Any) -> None:
    watched = Watched(tmp_path)
    with watched.supervisor:
        watched.servers[0].process.send_signal(signal.SIGSEGV)
        assert until(lambda: len(watched.told()) == 2)
        assert not watched.servers[1].has_ended()
    died, ready = watched.told()
    assert died == "Triton is started again in 0.01 s: it ended with code -11"
    assert ready.startswith("Triton is ready again after ")
    assert [server.has_ended() for server in watched.servers] == [True, True]


def test_a_python_process_that_dies_costs_the_whole_server(tmp_path: Path, until: Any) -> None:
    watched = Watched(tmp_path)
    with watched.supervisor:
        psutil.Process(watched.servers[0].child).kill()  # and becomes a zombie
        assert until(lambda: len(watched.told()) == 2)
        assert watched.servers[0].has_ended()
        assert not watched.servers[1].has_ended()
    assert (
        "expected Triton's 1 Python processes to keep running, found 1 dead." in watched.told()[0]
    )


def test_a_server_that_does_not_stay_up_is_given_up_with_a_sentence(
    tmp_path: Path, until: Any
) -> None:
    def check(_: object) -> None:
        if len(watched.servers) > 1:
            raise TritonError("it does not answer")

    watched = Watched(tmp_path, check)
    watched.supervisor.__enter__()
    watched.servers[0].kill()
    assert watched.ended.wait(20)
    with pytest.raises(TritonError, match="after 5 restarts in 10 min, .*: it does not answer"):
        watched.supervisor.__exit__(None, None, None)
    assert len(watched.servers) == 6
    assert all(server.has_ended() for server in watched.servers)


def test_a_first_start_that_fails_is_not_repeated(tmp_path: Path) -> None:
    def check(_: object) -> None:
        raise TritonError("it does not answer")

    watched = Watched(tmp_path, check)
    with pytest.raises(TritonError, match="it does not answer"):
        watched.supervisor.__enter__()
    assert [server.has_ended() for server in watched.servers] == [True]


def test_a_stop_does_not_wait_for_a_restart_that_is_under_way(tmp_path: Path, until: Any) -> None:
    restarting = threading.Event()

    def check(server: FakeTriton) -> None:
        if len(watched.servers) > 1:
            restarting.set()
            server.process.wait()  # as a model that takes minutes to load

    watched = Watched(tmp_path, check)
    with watched.supervisor:
        watched.servers[0].kill()
        assert restarting.wait(20)
    assert [server.has_ended() for server in watched.servers] == [True, True]
