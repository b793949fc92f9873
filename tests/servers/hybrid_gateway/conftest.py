"""A built classifier, its traffic, and the contender `hybrid` started as the launcher would."""

import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from servers.classifier.encoding import read_labels
from servers.hybrid_gateway.features import Features

from .played import FakeTriton, Gateway, until

COUNTED_DEADLINE_S = 20.0


class RunningHybrid:
    """The contender as a caller and an operator see it."""

    def __init__(self, started: Any) -> None:
        self._started = started
        self.process: subprocess.Popen[bytes] = started.process
        self.log: Path = started.log
        self.grpc_url = f"127.0.0.1:{started.ports.extra.get('triton_grpc')}"
        self.url = f"http://127.0.0.1:{started.ports.main}"

    def send(self, path: str, value: object = None, **headers: str) -> tuple[int, Any]:
        """Status and decoded body; with a value a POST, without one a GET."""
        data = None if value is None else json.dumps(value).encode()
        request = urllib.request.Request(
            self.url + path, data, headers={"content-type": "application/json", **headers}
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
        self._started.when(self.is_ready)

    def counted_since(self, before: dict[str, int], inferences: int = 0) -> dict[str, int]:
        """Differences of /stats, once Triton has counted that many inferences.

        Triton counts a batch only after its answers are sent: the last one may still be missing.
        """
        end_s = time.monotonic() + COUNTED_DEADLINE_S
        while True:
            _, after = self.send("/stats")
            counted = {
                name: value - before[name] for name, value in after.items() if value is not None
            }
            if counted["inferences"] >= inferences or time.monotonic() > end_s:
                return counted

    def descendants(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def tritonserver(self) -> psutil.Process:
        return next(p for p in self.descendants() if p.name() == "tritonserver")


@pytest.fixture
def start_hybrid(start_contender: Callable[..., Any]) -> Callable[..., RunningHybrid]:
    def start(**options: Any) -> RunningHybrid:
        running = RunningHybrid(start_contender("hybrid", **options))
        running.wait_until_ready()
        return running

    return start


@pytest.fixture
def hybrid(shared_hybrid: Any) -> RunningHybrid:
    return RunningHybrid(shared_hybrid)


@pytest.fixture(scope="module")
def played_triton(model_dir: Path) -> Iterator[FakeTriton]:
    triton = FakeTriton(len(read_labels(model_dir)))
    yield triton
    triton.stop()


@pytest.fixture(scope="module")
def serve_gateway(played_triton: FakeTriton, model_dir: Path) -> Iterator[Callable[..., Gateway]]:
    """A gateway with these features before the played Triton; one for all that ask for the same."""
    serving: dict[Features, Gateway] = {}

    def serve(**features: Any) -> Gateway:
        wanted = Features(**features)
        if wanted not in serving:
            serving[wanted] = Gateway(played_triton, model_dir, wanted)
            until(lambda: hasattr(serving[wanted].app.state, "gateway"))
            until(serving[wanted].is_ready)
        return serving[wanted]

    yield serve
    played_triton.released.set()
    for gateway in serving.values():
        gateway.end()
    for gateway in serving.values():
        gateway.stop()


@pytest.fixture(scope="module")
def start_gateway(
    start_contender: Callable[..., Any], played_triton: FakeTriton
) -> Callable[..., RunningHybrid]:
    """The program itself, before the played Triton or that of triton_url: its signals, processes
    and log."""

    def start(**options: Any) -> RunningHybrid:
        options = {"triton_url": f"127.0.0.1:{played_triton.port}", **options}
        running = RunningHybrid(start_contender("hybrid", **options))
        running.wait_until_ready()
        return running

    return start


class RealRedis:
    """A redis-server of its own on a port that it keeps."""

    def __init__(self, program: str, folder: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]
        where = ["--port", str(self._port), "--bind", "127.0.0.1", "--dir", str(folder)]
        self._command = [program, *where, "--save", ""]
        self.url = f"redis://127.0.0.1:{self._port}/0"
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        until(self._listens)

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()

    def _listens(self) -> bool:
        assert self._process.poll() is None
        try:
            socket.create_connection(("127.0.0.1", self._port), 1).close()
        except OSError:
            return False
        return True


@pytest.fixture
def real_redis(tmp_path: Path) -> Iterator[RealRedis]:
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("needs redis-server on the PATH")
    redis = RealRedis(program, tmp_path)
    yield redis
    redis.stop()
