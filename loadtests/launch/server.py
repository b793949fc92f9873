"""Starts one contender as a child process, knows when it is ready, and stops all of it."""

import os
import random
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import psutil

from loadtests.host.process_group import stop
from loadtests.launch.readiness import Patience
from loadtests.spec.external import ExternalContender
from loadtests.wire.address import Address
from loadtests.wire.headers import header_problem
from loadtests.wire.probe import ProbeError, open_probe
from servers.confine import confined
from servers.device_queue import FILE_VARIABLE, DeviceQueue
from servers.discovery import Contender
from servers.launch_args import READY_WITHIN_S, RESTARTS_FILE, LaunchArgs

HOST = "127.0.0.1"
CANARY_TEXT = "Where is my order?"
LOG_TAIL_LINES = 20
DEVICE_FILE = "simulated-device"
"""In a contender's folder: what its processes share of the device that it simulates, if it does."""
REFUSED = 2
"""Exit code of a contender that was asked for what is unavailable; its last line says what."""

_EXCEPTION = re.compile(r"[\w.]*(Error|Exception|Interrupt)\b.*")


class LaunchError(RuntimeError):
    """A contender that did not become ready; log_tail holds the last lines it wrote."""

    def __init__(self, message: str, log_tail: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.log_tail = log_tail


@dataclass(frozen=True)
class Ports:
    """main is the port of the contender's protocol; extra those its server.toml names."""

    main: int
    extra: Mapping[str, int]


_PORTS = range(20_000, 32_768)
"""Below those that systems give to outgoing connections (Linux from 32,768 on, others from 49,152
on): a load client's connection could take a port of those before the server listens on it."""


def free_ports(names: Sequence[str]) -> Ports:
    """Ports nobody listens on now, all different."""
    drawn = iter(random.sample(_PORTS, len(_PORTS)))
    main, *extra = islice((p for p in drawn if busy_port(Ports(p, {})) is None), len(names) + 1)
    return Ports(main, dict(zip(names, extra, strict=True)))


def busy_port(ports: Ports) -> int | None:
    """The first of ports that somebody listens on already."""
    for port in (ports.main, *ports.extra.values()):
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind((HOST, port))
            except OSError:
                return port
    return None


class RunningServer:
    """A contender that answered its canary; process None: an external one, which runs already."""

    def __init__(
        self,
        contender: Contender,
        address: Address,
        ports: Ports,
        process: psutil.Popen | None,
        log: Path,
    ) -> None:
        self.contender = contender
        self.address = address
        self.ports = ports
        self.process = process
        self.log = log
        self.startup_s: float | None = None
        self.restarts_file: Path | None = None
        self.device: DeviceQueue | None = None

    @property
    def pid(self) -> int | None:
        return int(self.process.pid) if self.process else None

    def alive(self) -> bool:
        """False once its process has ended; an external one shows its end by not answering."""
        return self.process is None or self.process.poll() is None

    def restarts(self) -> tuple[str, ...]:
        """What it said of parts of itself that it had to start again."""
        if self.restarts_file is None or not self.restarts_file.exists():
            return ()
        return tuple(self.restarts_file.read_text(encoding="utf-8").splitlines())

    def broken(self) -> str | None:
        """Why nothing measured on it counts: across a restart that is two servers, and a gap."""
        said = self.restarts()
        return f"{self.contender.name} did not run without a break: {said[0]}" if said else None

    def log_tail(self) -> tuple[str, ...]:
        return log_tail(self.log) if self.process else ()


def cause_in(lines: Sequence[str]) -> str:
    """The line that says why a Python process ended: its last exception, else its last words.

    Below the exception PyTorch adds five lines of advice to a CUDA error, and uvicorn one of its
    own to every error while it starts.
    """
    said = [line.strip() for line in lines if line.strip()]
    raised = [line for line in said if _EXCEPTION.match(line)]
    return (raised or said or ["it wrote nothing"])[-1]


def log_tail(log: Path) -> tuple[str, ...]:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return tuple(lines[-LOG_TAIL_LINES:])


@contextmanager
def launched(
    contender: Contender,
    *,
    model_dir: Path,
    cores: Sequence[int],
    log: Path,
    ports: Ports | None = None,
    ready_within_s: float = READY_WITHIN_S,
) -> Iterator[RunningServer]:
    """The contender, ready; afterwards stopped, with nothing of it left running.

    An external contender is only asked whether it answers, and left running. Raises LaunchError
    when the contender exits, refuses every canary inference, or does not answer one in time.
    """
    if isinstance(contender, ExternalContender):
        check_answering([contender])
        yield RunningServer(
            contender, contender.address, Ports(contender.address.port, {}), None, log
        )
        return
    ports = ports or free_ports(contender.extra_ports)
    with tempfile.TemporaryDirectory(prefix=f"study-{contender.name}-") as work_dir:
        args = LaunchArgs(
            contender=contender.name,
            engine=contender.engine,
            host=HOST,
            port=ports.main,
            extra_ports=ports.extra,
            model_dir=model_dir.absolute(),
            work_dir=Path(work_dir),
            threads=max(1, len(cores)),
            options=contender.options,
        )
        address = Address.of(contender, HOST, ports.main)
        if problem := header_problem(address.wire):
            raise LaunchError(f"{contender.name}: {problem}; set it and run again.")
        command = [sys.executable, "-m", f"servers.{contender.server}", *args.to_argv()]
        device_file = Path(work_dir) / DEVICE_FILE
        device = DeviceQueue(device_file) if contender.simulated_device else None
        with log.open("ab") as output:
            started = time.monotonic()
            process = psutil.Popen(
                confined(command, cores),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=work_dir,
                env={**os.environ, FILE_VARIABLE: str(device_file)},
                start_new_session=True,  # a Ctrl-C in the terminal is ours to pass on, in order
            )
        server = RunningServer(contender, address, ports, process, log)
        server.restarts_file = Path(work_dir) / RESTARTS_FILE
        server.device = device
        try:
            _wait_until_ready(server, process, ready_within_s)
            server.startup_s = time.monotonic() - started
            yield server
        finally:
            stop(process)
            if device:
                device.close()


def check_answering(contenders: Iterable[ExternalContender]) -> None:
    """Asks each external contender one text; LaunchError says which one does not answer it."""
    for contender in contenders:
        problem = header_problem(contender.address.wire)
        if problem:
            raise LaunchError(f"{contender.name}: {problem}; set it and run again.")
        try:
            with open_probe(contender.address) as probe:
                probe.predict(CANARY_TEXT)
        except ProbeError as error:
            raise LaunchError(
                f"{error}; start the service, or correct its [[external]] table."
            ) from error


def _wait_until_ready(server: RunningServer, process: psutil.Popen, within_s: float) -> None:
    began_s = time.monotonic()
    patience = Patience(within_s, began_s)
    while True:
        code = process.poll()
        if code is not None:
            raise LaunchError(_why_it_ended(server, code), server.log_tail())
        try:
            # A canary inference, not a health URL: Triton says ready while its models cannot
            # answer (python stubs that died, 2.51).
            patience_s = min(10.0, max(0.5, began_s + within_s - time.monotonic()))
            with open_probe(server.address, timeout_s=patience_s) as probe:
                probe.predict(CANARY_TEXT)
            return
        except ProbeError as error:
            ended = patience.ends(error.definite, time.monotonic())
            if ended:
                raise LaunchError(
                    f"{server.contender.name} {ended} (last: {error}); its log says why.",
                    server.log_tail(),
                ) from error
        time.sleep(0.1)


def _why_it_ended(server: RunningServer, code: int) -> str:
    name, tail = server.contender.name, server.log_tail()
    if code == REFUSED and tail:
        return f"{name} did not start: {tail[-1]}"
    return f"{name} exited with code {code} before it answered: {cause_in(tail)}"
