"""LitServe's processes: what each does when another is stopped or dies."""

import json
import signal
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

START_DEADLINE_S = 60.0
END_DEADLINE_S = 20.0
Alive = Callable[[list[psutil.Process]], list[psutil.Process]]


def status_of(started: Any, path: str) -> int:
    try:
        with urllib.request.urlopen(
            f"http://127.0.0.1:{started.ports.main}{path}", timeout=30
        ) as r:
            json.loads(r.read())
            return int(r.status)
    except urllib.error.HTTPError as error:
        return error.code


def wait_until(condition: Callable[[], object], started: Any, deadline_s: float) -> None:
    end_s = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end_s, started.log.read_text(errors="replace")[-4000:]
        time.sleep(0.05)


def is_ready(started: Any) -> bool:
    try:
        return status_of(started, "/health/ready") == 200
    except OSError:
        assert started.process.poll() is None, started.log.read_text(errors="replace")[-4000:]
        return False


def worker_of(started: Any) -> psutil.Process:
    """The one with the model in it."""
    children = psutil.Process(started.process.pid).children(recursive=True)
    return max(children, key=lambda p: "spawn_main" in " ".join(p.cmdline()))


@pytest.fixture
def litserve(
    start_contender: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Any:
    """In a TMPDIR whose name leaves no room for the name of a socket."""
    deep = tmp_path / ("x" * 100)
    deep.mkdir()
    monkeypatch.setenv("TMPDIR", str(deep))
    started = start_contender("litserve-patched")
    wait_until(lambda: is_ready(started), started, START_DEADLINE_S)
    return started


def test_readiness_follows_the_worker_and_nothing_outlives_the_main_process(
    litserve: Any, alive: Alive, family_of: Callable[[int], list[psutil.Process]]
) -> None:
    for page in ("/", "/health", "/info"):
        assert status_of(litserve, page) == 404
    worker = worker_of(litserve)
    worker.send_signal(signal.SIGSTOP)
    wait_until(lambda: status_of(litserve, "/health/ready") == 503, litserve, END_DEADLINE_S)
    assert status_of(litserve, "/health/live") == 200
    worker.send_signal(signal.SIGCONT)
    wait_until(lambda: is_ready(litserve), litserve, END_DEADLINE_S)

    family = family_of(litserve.process.pid)
    worker.send_signal(signal.SIGSTOP)
    before = {path.name for path in Path("/dev/shm").glob("sem.mp-*")}
    litserve.process.kill()
    litserve.process.wait()
    wait_until(lambda: not alive(family), litserve, END_DEADLINE_S)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", litserve.ports.main))
    left = {path.name for path in Path("/dev/shm").glob("sem.mp-*")}
    assert before - left, "its semaphores have stayed"


def test_a_dead_worker_ends_the_server_with_a_sentence(
    litserve: Any, alive: Alive, family_of: Callable[[int], list[psutil.Process]]
) -> None:
    family = family_of(litserve.process.pid)
    worker_of(litserve).kill()
    assert litserve.process.wait(END_DEADLINE_S) == 1
    assert litserve.log.read_text().splitlines()[-1] == (
        "expected LitServe's inference worker to run until SIGTERM, found it dead."
    )
    wait_until(lambda: not alive(family), litserve, END_DEADLINE_S)
