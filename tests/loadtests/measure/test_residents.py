"""Contenders that stay up: those that work without load are paused between their slices."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from loadtests.host.memory import Memory
from loadtests.host.process_group import stop
from loadtests.launch.server import Ports, RunningServer
from loadtests.measure.residents import Residents
from loadtests.wire.address import Address
from servers.discovery import Contender, discover

CODE = {"null-http": "while True: pass", "null-grpc": "import time; time.sleep(600)"}


@pytest.fixture
def contenders() -> list[Contender]:
    return [discover()[name] for name in CODE]


@pytest.fixture
def residents(tmp_path: Path) -> Callable[..., Residents]:
    """Residents of which null-http never rests."""

    @contextmanager
    def launch(contender: Contender, *, log: Path, **_: Any) -> Iterator[RunningServer]:
        command = [sys.executable, "-c", CODE[contender.name]]
        process = psutil.Popen(command, start_new_session=True)
        try:
            address = Address(contender.protocol, "127.0.0.1", 1)
            yield RunningServer(contender, address, Ports(1, {}), process, log)
        finally:
            stop(process, within_s=5.0)

    tools = SimpleNamespace(launch=launch, memory=lambda _: Memory(), ask=lambda *_: [])
    artefacts = SimpleNamespace(model_dir=tmp_path, texts=[])
    run: Any = SimpleNamespace(
        folder=tmp_path, tools=tools, artefacts=artefacts, cores={"server": ()}, gpu=None
    )
    return lambda **settings: Residents(run, **settings)


def state(residents: Residents, name: str) -> str:
    return psutil.Process(residents.pids()[name]).status()


def until_it_is_stopped(residents: Residents, name: str) -> None:
    """A signal takes effect a moment after it was sent."""
    until_s = time.monotonic() + 30
    while state(residents, name) != psutil.STATUS_STOPPED:
        assert time.monotonic() < until_s, f"{name} is not paused"
        time.sleep(0.001)


def test_one_that_works_without_load_is_paused_but_during_its_slices(
    residents: Any, contenders: list[Contender]
) -> None:
    restless, quiet = contenders
    with residents() as up:
        list(up.start(contenders))
        up.pause_restless()
        assert list(up.restless) == [restless.name]
        assert up.restless[restless.name] > 0.03
        until_it_is_stopped(up, restless.name)
        with up.serving(restless):
            assert state(up, restless.name) != psutil.STATUS_STOPPED
        until_it_is_stopped(up, restless.name)
        with up.serving(quiet):
            pass
        assert state(up, quiet.name) == psutil.STATUS_SLEEPING


def test_one_that_is_paused_ends_when_it_is_asked_to(
    residents: Any, contenders: list[Contender]
) -> None:
    with residents() as up:
        list(up.start(contenders))
        up.pause_restless()
        process = psutil.Process(up.pids()["null-http"])
    assert not process.is_running()


def test_one_is_started_anew_where_its_slice_says_so(
    residents: Any, contenders: list[Contender]
) -> None:
    first, other = contenders
    with residents() as up:
        list(up.start(contenders))
        before = dict(up.pids())
        with up.serving(first):
            assert up.pids() == before
        with up.serving(first, anew=True):
            assert up.pids()[first.name] != before[first.name]
            assert up.pids()[other.name] == before[other.name]
        assert not psutil.pid_exists(before[first.name])


def test_nobody_is_paused_where_each_is_up_for_its_slice_only(residents: Any) -> None:
    with residents(one_at_a_time=True) as up:
        up.pause_restless()
        assert up.restless == {}
