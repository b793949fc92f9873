"""Locust's stock client of a protocol in a closed loop, one user a caller."""

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
import psutil

from loadtests.generator.rows import merged
from loadtests.host.process_group import stop
from loadtests.launch.server import log_tail
from loadtests.measure.locust_process import DriveError, started_locust
from loadtests.records.trials import Phases
from loadtests.wire.address import Address

STOCK_FILE = Path(__file__).parents[1] / "generator" / "stock_users.py"
STOCK_USERS = {"http-json": "StockHttp", "kserve-grpc": "StockGrpc"}

STOP_TIMEOUT_S = 20
FINISHED_WITHIN_S = 80.0
"""Beyond the load: to start, and to end."""


class StockClient:
    """A Locust of its own at work."""

    def __init__(self, process: psutil.Popen, folder: Path, phases: Phases) -> None:
        self._process, self._folder, self._phases = process, folder, phases

    @property
    def pid(self) -> int:
        return int(self._process.pid)

    def rows(self) -> tuple[pd.DataFrame, float]:
        """Once they are there; and their start on the monotonic clock. DriveError where they do
        not come."""
        within_s = self._phases.warmup_s + self._phases.steady_s + FINISHED_WITHIN_S
        with suppress(psutil.TimeoutExpired, subprocess.TimeoutExpired):
            self._process.wait(within_s)
        path = self._folder / "rows"
        if not path.exists():
            raise DriveError(
                f"expected the rows of Locust's stock client within {within_s:.0f} s, found none "
                f"(exit code {self._process.poll()}); what Locust wrote last may say why.",
                log_tail(self._folder / "locust.log"),
                client_failed=True,
            )
        start_s, _, content = path.read_bytes().partition(b"\n")
        return merged([content], self._phases.warmup_s), float(start_s)


@contextmanager
def stock_client(
    address: Address, callers: int, phases: Phases, traffic: Path, cores: Sequence[int]
) -> Iterator[StockClient]:
    """Afterwards stopped, however this block ends."""
    with TemporaryDirectory(prefix="study-stock-") as name:
        folder = Path(name)
        arguments = [
            *("-f", str(STOCK_FILE), STOCK_USERS[address.protocol]),
            *("--users", str(callers), "--spawn-rate", str(callers)),
            *("--host", f"http://{address.host}:{address.port}", "--protocol", address.protocol),
            *("--traffic", str(traffic.absolute()), "--rows", str(folder / "rows")),
            *("--seconds", str(phases.warmup_s + phases.steady_s)),
            # gRPC does not end a call that is cut off.
            *("--stop-timeout", str(STOP_TIMEOUT_S)),
        ]
        process = started_locust(arguments, cores, folder, folder / "locust.log")
        try:
            yield StockClient(process, folder, phases)
        finally:
            stop(process, within_s=5.0)
