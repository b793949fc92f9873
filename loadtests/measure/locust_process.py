"""The load generator of a run: Locust, started once, which replays one slice after another."""

import os
import socket
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
import psutil

from loadtests.generator.channel import Channel, ChannelClosed
from loadtests.generator.rows import merged
from loadtests.generator.schedule import Schedule
from loadtests.generator.slice_order import SliceOrder
from loadtests.host.process_group import stop
from loadtests.launch.server import HOST, free_ports, log_tail
from loadtests.records.trials import ClockOffset, Level, Phases
from loadtests.wire.address import Address
from servers.confine import confined

REPLAY_FILE = Path(__file__).parents[1] / "generator" / "replay_locustfile.py"

READY_WITHIN_S = 60.0
JOIN_WITHIN_S = 600.0
"""The same where workers on other hosts have to be started by hand."""

SPARE_S = 30.0
"""Beyond the slice and the timeout of its last request: for the rows to be handed over."""

_NOT_AS_EXPECTED = (ValueError, TypeError, LookupError, EOFError, OSError, zipfile.BadZipFile)


class DriveError(RuntimeError):
    """Locust did not replay a slice; log_tail holds the last lines it wrote.

    client_failed: it was Locust that failed, and not the server."""

    def __init__(
        self, message: str, log_tail: tuple[str, ...], client_failed: bool = False
    ) -> None:
        super().__init__(message)
        self.add_note("\n".join(log_tail))  # for a traceback; what is told to people has its own
        self.client_failed = client_failed
        self.log_tail = log_tail


@dataclass(frozen=True)
class Replayed:
    """rows are as REQUESTS_SCHEMA; clock_offsets are of each load worker against the leading
    process, whose clock is the study's and gives the start."""

    rows: pd.DataFrame
    start_monotonic_s: float
    clock_offsets: Mapping[str, ClockOffset]


@dataclass(frozen=True)
class Listen:
    """Where load workers on other hosts join."""

    host: str
    port: int

    @property
    def join_command(self) -> str:
        """The command to run on each of those hosts."""
        where = f"--master-host {self.host} --master-port {self.port}"
        return f"python -m loadtests.generator.locust_command -f - --worker {where}"


class LoadGenerator:
    """Starts Locust when it is first needed, and again after a slice that failed or was cut off,
    because rows of that slice may still come."""

    def __init__(
        self,
        traffic: Path,
        cores: Sequence[int],
        workers: int,
        log: Path,
        listen: Listen | None = None,
    ) -> None:
        arguments = [
            *("-f", str(REPLAY_FILE), "--traffic", str(traffic.absolute())),
            *("--users", str(workers), "--spawn-rate", str(workers)),
            *_as_leader(workers, listen),
        ]
        self._start = partial(_Locust, arguments, cores, log, workers)
        self._ready_within_s = JOIN_WITHIN_S if listen else READY_WITHIN_S
        self._locust: _Locust | None = None

    @property
    def pid(self) -> int:
        """Of the leading Locust process, which is ready."""
        return int(self._ready().process.pid)

    def replay(self, order: SliceOrder, schedule: Schedule) -> Replayed:
        """Returns once the last request was answered or its time was up. DriveError where Locust
        failed; the next slice has a new one."""
        locust = self._ready()
        try:
            return locust.replay(order, schedule)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Ends Locust, if it runs, and all that belongs to it."""
        if self._locust:
            self._locust.close()
            self._locust = None

    def _ready(self) -> "_Locust":
        if self._locust and self._locust.process.poll() is not None:
            self.close()  # it ended between two slices
        if self._locust is None:
            self._locust = self._start()
            try:
                self._locust.heard("the start", self._ready_within_s)
            except BaseException:
                self.close()
                raise
        return self._locust


class _Locust:
    """The leading process of one Locust. arguments: of its command line, beside the channel."""

    def __init__(
        self, arguments: Sequence[str], cores: Sequence[int], log: Path, workers: int
    ) -> None:
        self._folder = TemporaryDirectory(prefix="study-locust-")
        ours, theirs = socket.socketpair()
        with theirs:
            command = [*arguments, "--channel", str(theirs.fileno())]
            self.process = started_locust(
                command, cores, Path(self._folder.name), log, (theirs.fileno(),)
            )
        self._channel = Channel(ours)
        self._log, self._workers = log, workers

    def replay(self, order: SliceOrder, schedule: Schedule) -> Replayed:
        within_s = order.duration_s + order.timeout_s + SPARE_S
        with suppress(OSError):  # that it has ended is found, and said, below
            parts = [schedule.times_s.tobytes(), schedule.text_ids.tobytes()]
            self._channel.send(asdict(order), parts)
        head, parts = self.heard("the rows", within_s)
        try:
            offsets = [ClockOffset(**offset) for offset in head["clock_offsets"]]
            by_worker = {str(worker): offset for worker, offset in enumerate(offsets)}
            return Replayed(merged(parts, order.warmup_s), float(head["start_s"]), by_worker)
        except _NOT_AS_EXPECTED as error:
            raise self._failed("the rows", within_s, f"something else ({error!r})") from error

    def heard(self, what: str, within_s: float) -> tuple[Mapping[str, Any], list[bytes]]:
        """The next message of Locust, which must be of this kind."""
        try:
            head, parts = self._channel.receive(within_s)
        except TimeoutError as error:
            raise self._failed(what, within_s, "none") from error
        except (ChannelClosed, OSError) as error:
            with suppress(psutil.TimeoutExpired, subprocess.TimeoutExpired):
                self.process.wait(1.0)
            raise self._failed(
                what, within_s, f"its end (exit code {self.process.poll()})"
            ) from error
        except (ValueError, TypeError) as error:
            raise self._failed(what, within_s, f"something else ({error!r})") from error
        if "failed" in head:
            raise self._failed(what, within_s, f"that {head['failed']}")
        return head, parts

    def close(self) -> None:
        self._channel.close()
        stop(self.process, within_s=3.0)
        self._folder.cleanup()

    def _failed(self, what: str, within_s: float, found: str) -> DriveError:
        return DriveError(
            f"expected {what} of {self._workers} Locust processes within {within_s:.0f} s, found "
            f"{found}; what Locust wrote last may say why.",
            log_tail(self._log),
            client_failed=True,
        )


@contextmanager
def load_generator(
    traffic: Path, cores: Sequence[int], workers: int, log: Path, listen: Listen | None = None
) -> Iterator[LoadGenerator]:
    """Locust for all slices of this block, on these cores; afterwards stopped, however it ends.

    listen: its workers are not started here but join there; a new Locust waits for them again.
    """
    with closing(LoadGenerator(traffic, cores, workers, log, listen)) as generator:
        yield generator


def _as_leader(workers: int, listen: Listen | None) -> list[str]:
    if listen:
        host, port, how = listen.host, listen.port, ["--master", "--expect-workers", str(workers)]
    elif workers > 1:
        # Locust's default port is one for the whole machine: a second run there would fail.
        host, port = HOST, free_ports(()).main
        how = ["--processes", str(workers), "--master-port", str(port)]
    else:
        return []
    return [*how, "--master-bind-host", host, "--master-bind-port", str(port)]


def started_locust(
    arguments: Sequence[str],
    cores: Sequence[int],
    folder: Path,
    log: Path,
    descriptors: Sequence[int] = (),
) -> psutil.Popen:
    """Locust, headless; the rest as in confined_locust."""
    headless = ["--headless", *arguments, "--exit-code-on-error", "0"]
    quiet = ["--only-summary", "--loglevel", "WARNING"]
    return confined_locust([*headless, *quiet], cores, folder, log, descriptors)


def confined_locust(
    arguments: Sequence[str],
    cores: Sequence[int],
    folder: Path,
    log: Path,
    descriptors: Sequence[int] = (),
    variables: Mapping[str, str] | None = None,
) -> psutil.Popen:
    """Locust in a session of its own; folder is empty, or holds what is its own: Locust imports
    from there, and reads a locust.conf. variables: of the environment, beside this process's."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        return psutil.Popen(
            confined(
                [sys.executable, "-m", "loadtests.generator.locust_command", *arguments], cores
            ),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env={**os.environ, **(variables or {})},
            pass_fds=descriptors,
            start_new_session=True,
        )


def slice_order(
    address: Address, level: Level, phases: Phases, *, own_cores: bool, timeout_s: float
) -> SliceOrder:
    return SliceOrder(
        protocol=address.protocol,
        host=address.host,
        port=address.port,
        foreign_wire=asdict(address.foreign_wire) if address.foreign_wire else None,
        mode=level.mode,
        concurrency=level.concurrency or 0,
        warmup_s=phases.warmup_s,
        steady_s=phases.steady_s,
        timeout_s=timeout_s,
        own_cores=own_cores,
    )
