"""A built classifier, its traffic, and the contender `hybrid` started as the launcher would."""

import json
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from servers.discovery import discover
from servers.launch_args import LaunchArgs

REPOSITORY = Path(__file__).parents[3]
DEADLINE_MS = 1500
START_DEADLINE_S = 60.0
COUNTED_DEADLINE_S = 20.0
GONE_DEADLINE_S = 30.0


class RunningHybrid:
    """The contender as a caller and an operator see it."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self.process = process
        self.log = log
        self.url = f"http://127.0.0.1:{port}"

    def send(self, path: str, value: object = None) -> tuple[int, Any]:
        """Status and decoded body; with a value a POST, without one a GET."""
        data = None if value is None else json.dumps(value).encode()
        request = urllib.request.Request(
            self.url + path, data, headers={"content-type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return response.status, json.loads(response.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    def is_ready(self) -> bool:
        try:
            return self.send("/health/ready")[0] == 200
        except OSError:
            return False

    def wait_until_ready(self) -> None:
        end_s = time.monotonic() + START_DEADLINE_S
        while not self.is_ready():
            log = self.log.read_text(errors="replace")
            assert self.process.poll() is None, log[-4000:]
            assert time.monotonic() < end_s, log[-4000:]
            time.sleep(0.05)

    def counted_since(self, before: dict[str, int], inferences: int = 0) -> dict[str, int]:
        """Differences of /stats, once Triton has counted that many inferences.

        Triton counts a batch only after its answers are sent: the last one may still be missing.
        """
        end_s = time.monotonic() + COUNTED_DEADLINE_S
        while True:
            _, after = self.send("/stats")
            counted = {name: after[name] - before[name] for name in after}
            if counted["inferences"] >= inferences or time.monotonic() > end_s:
                return counted

    def descendants(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def tritonserver(self) -> psutil.Process:
        return next(p for p in self.descendants() if p.name() == "tritonserver")


@pytest.fixture(scope="session")
def start_hybrid(
    model_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[], RunningHybrid]]:
    """Starts `python -m servers.hybrid_gateway`; what still runs at the end is stopped."""
    started: list[RunningHybrid] = []

    def start() -> RunningHybrid:
        contender = discover()["hybrid"]
        port, triton_port = _free_ports(2)
        work_dir = tmp_path_factory.mktemp("hybrid")
        args = LaunchArgs(
            contender=contender.name,
            engine=contender.engine,
            host="127.0.0.1",
            port=port,
            extra_ports={"triton_grpc": triton_port},
            model_dir=model_dir,
            work_dir=work_dir / "work",
            threads=1,
            options={**contender.options, "deadline_ms": DEADLINE_MS},
        )
        args.work_dir.mkdir()
        log = work_dir / "server.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "servers.hybrid_gateway", *args.to_argv()],
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=REPOSITORY,
                start_new_session=True,
            )
        started.append(RunningHybrid(process, port, log))
        started[-1].wait_until_ready()
        return started[-1]

    yield start
    for running in started:
        if running.process.poll() is None:
            running.process.send_signal(signal.SIGTERM)
            running.process.wait(GONE_DEADLINE_S)


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [opened.getsockname()[1] for opened in sockets]
    for opened in sockets:
        opened.close()
    return ports


@pytest.fixture(scope="session")
def hybrid(start_hybrid: Callable[[], RunningHybrid]) -> RunningHybrid:
    """One gateway that all tests without lasting side effects share."""
    return start_hybrid()


@pytest.fixture(scope="session")
def alive() -> Callable[[list[psutil.Process]], list[psutil.Process]]:
    """Those of the given processes that run; a zombie only waits for init to take note of it."""

    def is_alive(process: psutil.Process) -> bool:
        try:
            return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    return lambda processes: [process for process in processes if is_alive(process)]
