"""The process of Locust's web UI: started, spoken to, and stopped with the session."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil

from loadtests.generator.channel import Channel, ChannelClosed
from loadtests.host.process_group import stop
from loadtests.launch.server import HOST, cause_in, log_tail
from loadtests.measure.locust_process import confined_locust

UI_FILE = Path(__file__).parents[1] / "generator" / "ui_locustfile.py"
SESSION_VARIABLE = "STUDY_UI_SESSION"
PASSWORD_VARIABLE = "STUDY_UI_PASSWORD"
READY_WITHIN_S = 60.0


class UiError(RuntimeError):
    """A web UI that cannot be started as asked; the message is one sentence."""


@dataclass(frozen=True)
class WebOptions:
    """password: asked for by the web UI; empty: none is."""

    host: str = HOST
    port: int = 8089
    password: str = ""

    @property
    def url(self) -> str:
        shown = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{shown}:{self.port}/study/"


def refuse_busy(options: WebOptions) -> None:
    """UiError where the web UI could not listen at its address."""
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    with socket.socket(family) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((options.host, options.port))
        except (OSError, OverflowError) as error:
            why = getattr(error, "strerror", None) or str(error)
            raise UiError(
                f"expected to listen on {options.host} port {options.port}, found: {why}; stop the "
                "program that listens there, or give another --port."
            ) from error


@contextmanager
def web_ui(
    options: WebOptions,
    told: Mapping[str, Mapping[str, str]],
    cores: Sequence[int],
    log: Path,
    answer: Callable[[Mapping[str, Any]], Mapping[str, Any]],
) -> Iterator[psutil.Popen]:
    """Locust's web UI, ready. told: the names of its user_classes, by contender, and the files of
    traffic, by what the page calls them. answer is called in a thread, with every question that the
    page or Locust has."""
    with TemporaryDirectory(prefix="study-ui-") as folder:
        ours, theirs = socket.socketpair()
        with theirs:
            process = _started(options, told, cores, log, Path(folder), theirs.fileno())
        channel = Channel(ours)
        thread = threading.Thread(target=_answering, args=(channel, answer), daemon=True)
        thread.start()
        try:
            _wait_until_ready(options, process, log)
            yield process
        finally:
            with suppress(OSError):
                ours.shutdown(socket.SHUT_RDWR)
            stop(process, within_s=3.0)
            thread.join(1.0)


def _started(
    options: WebOptions,
    told: Mapping[str, Mapping[str, str]],
    cores: Sequence[int],
    log: Path,
    folder: Path,
    descriptor: int,
) -> psutil.Popen:
    n_users = str(len(told["user_classes"]))
    arguments = [
        *("-f", str(UI_FILE), "--class-picker"),
        *("--web-host", options.host, "--web-port", str(options.port)),
        *("--users", n_users, "--spawn-rate", n_users, "--channel", str(descriptor)),
        *(["--web-login"] if options.password else []),
    ]
    secret = {PASSWORD_VARIABLE: options.password} if options.password else {}
    variables = {SESSION_VARIABLE: json.dumps(told), **secret}
    return confined_locust(arguments, cores, folder, log, (descriptor,), variables)


def _wait_until_ready(options: WebOptions, process: psutil.Popen, log: Path) -> None:
    until_s = time.monotonic() + READY_WITHIN_S
    host = {"0.0.0.0": HOST, "::": "::1"}.get(options.host, options.host)
    while time.monotonic() < until_s:
        if process.poll() is not None:
            raise UiError(f"Locust's web UI did not start: {cause_in(log_tail(log))}")
        with suppress(OSError), socket.create_connection((host, options.port), 1.0):
            return
        time.sleep(0.1)
    raise UiError(f"Locust's web UI did not answer within {READY_WITHIN_S:.0f} s: its log is {log}")


def _answering(channel: Channel, answer: Callable[[Mapping[str, Any]], Mapping[str, Any]]) -> None:
    with suppress(ChannelClosed, OSError, ValueError):
        while True:
            message, _ = channel.receive()
            channel.send(answer(message))
    channel.close()
