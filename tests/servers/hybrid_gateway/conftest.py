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

COUNTED_DEADLINE_S = 20.0


class RunningHybrid:
    """The contender as a caller and an operator see it."""

    def __init__(self, started: Any) -> None:
        self._started = started
        self.process: subprocess.Popen[bytes] = started.process
        self.log: Path = started.log
        self.url = f"http://127.0.0.1:{started.ports.main}"

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
        self._started.when(self.is_ready)

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


@pytest.fixture
def start_hybrid(start_contender: Callable[..., Any]) -> Callable[[], RunningHybrid]:
    def start() -> RunningHybrid:
        running = RunningHybrid(start_contender("hybrid"))
        running.wait_until_ready()
        return running

    return start


@pytest.fixture
def hybrid(shared_hybrid: Any) -> RunningHybrid:
    return RunningHybrid(shared_hybrid)
