"""A built classifier, its traffic, and the contender `hybrid` started as the launcher would."""

import json
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

DEADLINE_MS = 1500
START_DEADLINE_S = 60.0
COUNTED_DEADLINE_S = 20.0


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
def start_hybrid(start_contender: Callable[..., Any]) -> Callable[[], RunningHybrid]:
    def start() -> RunningHybrid:
        started = start_contender("hybrid", deadline_ms=DEADLINE_MS)
        running = RunningHybrid(started.process, started.ports.main, started.log)
        running.wait_until_ready()
        return running

    return start


@pytest.fixture(scope="session")
def hybrid(start_hybrid: Callable[[], RunningHybrid]) -> RunningHybrid:
    """One gateway that all tests without lasting side effects share."""
    return start_hybrid()
