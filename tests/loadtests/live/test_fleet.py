"""Contenders of a session: one that ends starts again; comparisons borrow those that are up."""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from loadtests.host.memory import Memory
from loadtests.host.process_group import stop
from loadtests.launch.server import LaunchError, Ports, RunningServer
from loadtests.live.fleet import MOST_STARTS, Fleet
from loadtests.measure.residents import Residents
from loadtests.wire.address import Address
from servers.discovery import Contender, discover

NAMES = ("null-http", "null-grpc")


class _Launches:
    """Starts processes that only sleep; refused: names that do not start."""

    def __init__(self) -> None:
        self.started: list[str] = []
        self.refused: set[str] = set()
        self.left = Memory(100, 0, 100, 0)

    @contextmanager
    def launch(self, contender: Contender, *, log: Path, **_: Any) -> Iterator[RunningServer]:
        if contender.name in self.refused:
            raise LaunchError(f"{contender.name} did not start: no engine.")
        self.started.append(contender.name)
        command = [sys.executable, "-c", "import time; time.sleep(600)"]
        process = psutil.Popen(command, start_new_session=True)
        log.touch()
        address = Address(contender.protocol, "127.0.0.1", len(self.started))
        try:
            yield RunningServer(contender, address, Ports(1, {}), process, log)
        finally:
            stop(process, within_s=5.0)


@pytest.fixture
def launches() -> _Launches:
    return _Launches()


@contextmanager
def fleet_of(names: Sequence[str], folder: Path, launches: _Launches) -> Iterator[Fleet]:
    tools = SimpleNamespace(
        launch=launches.launch, memory=lambda _: launches.left, ask=lambda *_: []
    )
    artefacts = SimpleNamespace(model_dir=folder, texts=[])
    run: Any = SimpleNamespace(
        folder=folder, tools=tools, artefacts=artefacts, cores={"server": ()}, gpu=None
    )
    with Residents(run) as residents:
        yield Fleet({name: discover()[name] for name in names}, residents)


@pytest.fixture
def fleet(tmp_path: Path, launches: _Launches) -> Iterator[Fleet]:
    with fleet_of(NAMES, tmp_path, launches) as made:
        yield made


def kill(fleet: Fleet, name: str) -> None:
    process = fleet.up()[name].process
    assert process is not None
    process.kill()
    process.wait(10)


def states(fleet: Fleet) -> dict[str, str]:
    return {shown.name: shown.state for shown in fleet.all()}


def until(holds: Callable[[], bool]) -> None:
    """A signal takes effect a moment after it was sent."""
    until_s = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < until_s
        time.sleep(0.001)


def test_one_that_ends_is_started_again_where_it_listens_now(fleet: Fleet) -> None:
    assert list(fleet.start()) == list(NAMES)
    assert fleet.where() == {"null-http": ("127.0.0.1", 1), "null-grpc": ("127.0.0.1", 2)}
    kill(fleet, "null-http")
    assert "null-http ended by itself; it was started again" in fleet.tend()
    assert fleet.where()["null-http"] == ("127.0.0.1", 3)
    assert fleet.tend() == ""


def test_one_that_ends_again_and_again_is_left_alone(fleet: Fleet) -> None:
    list(fleet.start())
    for _ in range(MOST_STARTS):
        kill(fleet, "null-http")
        said = fleet.tend()
    assert "it is left alone" in said
    assert states(fleet) == {"null-http": "down", "null-grpc": "ready"}
    assert fleet.names_up() == ["null-grpc"]


def test_one_that_does_not_start_says_why(fleet: Fleet, launches: _Launches) -> None:
    launches.refused = {"null-grpc"}
    list(fleet.start())
    (down,) = [shown for shown in fleet.all() if shown.state == "down"]
    assert down.why == "null-grpc did not start: no engine."
    assert fleet.where()["null-grpc"] is None


def test_a_comparison_borrows_what_is_up_and_leaves_it_up(
    fleet: Fleet, launches: _Launches, tmp_path: Path
) -> None:
    list(fleet.start())
    contender, log = discover()["null-http"], tmp_path / "of-the-run.log"
    with fleet.lend(contender, log=log, model_dir=tmp_path) as server:
        assert server is fleet.up()["null-http"]
        assert log.exists()
    assert server.alive()
    assert launches.started == list(NAMES)


def test_borrowing_one_that_ended_starts_it_again(fleet: Fleet, tmp_path: Path) -> None:
    list(fleet.start())
    kill(fleet, "null-http")
    with fleet.lend(discover()["null-http"], log=tmp_path / "log") as server:
        assert server.alive()
    assert fleet.up()["null-http"] is server


def test_who_takes_no_part_in_a_comparison_gets_no_cpu_time(fleet: Fleet) -> None:
    list(fleet.start())
    pids = {name: server.pid for name, server in fleet.up().items()}
    with fleet.others_paused(["null-grpc"]):
        until(lambda: psutil.Process(pids["null-http"]).status() == psutil.STATUS_STOPPED)
        assert psutil.Process(pids["null-grpc"]).status() != psutil.STATUS_STOPPED
    until(lambda: psutil.Process(pids["null-http"]).status() != psutil.STATUS_STOPPED)


def test_what_the_memory_does_not_hold_is_not_started_and_says_so(
    tmp_path: Path, launches: _Launches
) -> None:
    launches.left = Memory(5, 0, 100, 0)  # of which a tenth is kept free
    with fleet_of((*NAMES, "simulated"), tmp_path, launches) as fleet:
        assert list(fleet.start()) == list(NAMES)
        assert states(fleet)["simulated"] == "down"
        assert fleet.names_up() == list(NAMES)
