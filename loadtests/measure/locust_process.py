"""Runs Locust, headless and as its own process, on one assignment."""

import contextlib
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import psutil

from loadtests.generator.assignment import Assignment
from loadtests.generator.schedule import Schedule
from loadtests.host.process_group import stop
from loadtests.launch.server import HOST, LOG_TAIL_LINES, free_ports
from loadtests.records.trials import Level, Phases
from loadtests.wire.address import Address
from servers.confine import confined

_GENERATOR = Path(__file__).parents[1] / "generator"
REPLAY_FILE = _GENERATOR / "replay_locustfile.py"
STOCK_FILE = _GENERATOR / "stock_users.py"
STOCK_USERS = {"http-json": "StockHttp", "kserve-grpc": "StockGrpc"}


class DriveError(RuntimeError):
    """Locust did not finish its assignment; log_tail holds the last lines it wrote.

    client_failed: it was Locust that failed, and not the server."""

    def __init__(
        self, message: str, log_tail: tuple[str, ...], client_failed: bool = False
    ) -> None:
        super().__init__(message)
        self.client_failed = client_failed
        self.log_tail = log_tail


class Drive:
    """A Locust run in progress."""

    def __init__(self, process: psutil.Popen, assignment: Assignment, log: Path) -> None:
        self._process = process
        self._assignment = assignment
        self._log = log

    @property
    def pid(self) -> int:
        return int(self._process.pid)

    def wait(self) -> None:
        """Until every worker has written its rows; DriveError when that does not come about."""
        limit_s = self._assignment.duration_s + 2 * self._assignment.timeout_s + 60
        with contextlib.suppress(psutil.TimeoutExpired, subprocess.TimeoutExpired):
            self._process.wait(limit_s)
        found = len(list(Path(self._assignment.out_dir).glob("rows-*.npz")))
        if found < self._assignment.workers:
            raise DriveError(
                f"expected rows from {self._assignment.workers} Locust processes within "
                f"{limit_s:.0f} s, found {found} (exit code {self._process.poll()}).",
                tuple(self._log.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:]),
                client_failed=True,
            )


def assign(
    address: Address,
    level: Level,
    phases: Phases,
    schedule: Schedule,
    traffic: Path,
    work: Path,
    *,
    own_cores: bool,
    timeout_s: float,
    workers: int = 1,
) -> Assignment:
    """An assignment that leaves its rows in work, an existing folder; its schedule is written."""
    schedule_path = work / "schedule.npz"
    schedule.save(schedule_path)
    return Assignment(
        protocol=address.protocol,
        host=address.host,
        port=address.port,
        mode=level.mode,
        concurrency=level.concurrency or 0,
        warmup_s=phases.warmup_s,
        steady_s=phases.steady_s,
        timeout_s=timeout_s,
        workers=workers,
        traffic=str(traffic.absolute()),
        schedule=str(schedule_path.absolute()),
        out_dir=str(work.absolute()),
        own_cores=own_cores,
        foreign_wire=asdict(address.foreign_wire) if address.foreign_wire else None,
    )


def replay_arguments(assignment: Assignment) -> list[str]:
    """The study's own dispatcher and clients: one Locust user a process."""
    arguments = [
        *("-f", str(REPLAY_FILE)),
        *("--users", str(assignment.workers), "--spawn-rate", str(assignment.workers)),
    ]
    if assignment.workers > 1:
        # Locust's default port is one for the whole machine: a second run there would fail.
        port = str(free_ports(()).main)
        arguments += ["--processes", str(assignment.workers), "--master-bind-host", HOST]
        arguments += ["--master-bind-port", port, "--master-port", port]
    return arguments


def stock_arguments(assignment: Assignment) -> list[str]:
    """Locust's stock client of the protocol in a closed loop, one user a caller."""
    callers = str(assignment.concurrency)
    return [
        *("-f", str(STOCK_FILE), STOCK_USERS[assignment.protocol]),
        *("--users", callers, "--spawn-rate", callers),
    ]


@contextmanager
def driving(
    assignment: Assignment,
    cores: Sequence[int],
    log: Path,
    arguments: Callable[[Assignment], list[str]] = replay_arguments,
) -> Iterator[Drive]:
    """Locust at work on the assignment; afterwards stopped, however this block ends."""
    folder = Path(assignment.out_dir)
    assignment.save(folder / "assignment.json")
    command = [
        *(
            sys.executable,
            "-m",
            "loadtests.generator.locust_command",
            "--headless",
            *arguments(assignment),
        ),
        *("--host", f"http://{assignment.host}:{assignment.port}"),
        *("--assignment", str(folder / "assignment.json")),
        *("--exit-code-on-error", "0", "--only-summary", "--loglevel", "WARNING"),
        # The default stop timeout of 0 cuts the slowest replies off, and with them the tail.
        *("--stop-timeout", str(int(assignment.timeout_s) + 10)),
    ]
    with log.open("ab") as output:
        process = psutil.Popen(
            confined(command, cores),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=folder,  # Locust imports from its working directory, and reads a locust.conf there
            start_new_session=True,
        )
    try:
        yield Drive(process, assignment, log)
    finally:
        stop(process, within_s=5.0)
