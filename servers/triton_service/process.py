"""Starts, watches and stops one tritonserver."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import astuple, dataclass
from pathlib import Path
from secrets import token_hex
from types import FrameType, TracebackType
from typing import IO, Self
from uuid import uuid4

from tritonclient.grpc import InferenceServerClient
from tritonclient.utils import InferenceServerException

from servers.confine import confined
from servers.grpc_channel import GRPC_CHANNEL_OPTIONS
from servers.launch_args import READY_WITHIN_S
from servers.placement import EngineUnavailableError
from servers.triton_service.installation import prepare_installation
from servers.triton_service.server_log import cause_of_end, engine_refusal, is_error

LOOPBACK = "127.0.0.1"
"""Where alone this Triton may be reached: requests can end version 2.51."""
_RESTRICTED = "shared-memory,model-repository,trace,logging"

SHARED_MEMORY_DIR = Path("/dev/shm")
SHARED_MEMORY_BYTES = 2**23
"""Two Python models take 1 MiB each, and as much again for each batch that does not fit."""

EXIT_TIMEOUT_S = 5
KILL_AFTER_S = 7.0
LOG_END_S = 1.0
POLL_S = 0.05


class TritonError(RuntimeError):
    """tritonserver did not start, or ended by itself."""


@dataclass(frozen=True)
class Ports:
    """Where Triton answers, on loopback only; None: that endpoint stays closed."""

    grpc: int
    metrics: int | None = None
    http: int | None = None


class TritonServer:
    """One tritonserver over a model repository, as a context manager.

    It lives in a process group of its own, so that Ctrl-C or a signal to the group reaches only
    this process, which then stops it in order: a Python stub that is interrupted before its
    server makes that server wait for its whole exit timeout. It is told to stop when this process
    dies. work_dir is a folder of its own; name is what its metadata says that it is.
    """

    def __init__(
        self, repository: Path, work_dir: Path, ports: Ports, name: str = "triton"
    ) -> None:
        self._repository = repository
        self._work_dir = work_dir
        self._ports = ports
        self._name = name
        self._shared_memory_prefix = f"study_triton_{uuid4().hex[:12]}_"
        self._error_lines: list[str] = []

    @property
    def grpc_url(self) -> str:
        return f"{LOOPBACK}:{self._ports.grpc}"

    def __enter__(self) -> Self:
        for port in filter(None, astuple(self._ports)):
            listening(LOOPBACK, port).close()
        require_shared_memory(SHARED_MEMORY_DIR)
        installation = prepare_installation(self._work_dir)
        argv = [str(installation.binary), *self._arguments(installation.backends_dir)]
        self._process = subprocess.Popen(
            confined(argv, cpus=()),
            env=installation.environment,
            cwd=self._work_dir,  # a stub looks for modules there, before anywhere else
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            process_group=0,
        )
        self._log = threading.Thread(
            target=self._copy_log, args=(self._process.stderr,), daemon=True
        )
        self._log.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.terminate()
        try:
            self._process.wait(KILL_AFTER_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)  # stubs that outlived their server
        self._log.join(LOG_END_S)
        for leftover in SHARED_MEMORY_DIR.glob(f"{self._shared_memory_prefix}*"):
            leftover.unlink(missing_ok=True)

    def wait_until_ready(self, timeout_s: float = READY_WITHIN_S) -> None:
        """Returns when every model is loaded; TritonError when the server ends before that,
        EngineUnavailableError when it does because the classifier's engine is unavailable."""
        deadline_s = time.monotonic() + timeout_s
        with InferenceServerClient(self.grpc_url, channel_args=GRPC_CHANNEL_OPTIONS) as client:
            while not self._answers_ready(client):
                if self.has_ended():
                    raise self.ended()
                if time.monotonic() > deadline_s:
                    raise TritonError(
                        f"expected Triton to be ready within {timeout_s:g} s, found it still "
                        "loading: see its log above."
                    )
                time.sleep(POLL_S)
        self._error_lines.clear()  # what a start has survived explains no later end

    @property
    def pid(self) -> int:
        return self._process.pid

    def has_ended(self) -> bool:
        return self._process.poll() is not None

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def ended(self) -> TritonError | EngineUnavailableError:
        self._log.join(LOG_END_S)  # the last lines name the cause
        cause = cause_of_end(self._error_lines)
        refusal = engine_refusal(cause)
        if refusal:
            return EngineUnavailableError(refusal)
        return TritonError(
            f"expected Triton to keep running, found that it ended with code "
            f"{self._process.returncode}: {cause}"
        )

    def _answers_ready(self, client: InferenceServerClient) -> bool:
        try:
            return bool(client.is_server_ready(client_timeout=1.0))
        except InferenceServerException:
            return False

    def _copy_log(self, log: IO[bytes]) -> None:
        """Passes Triton's log on, and keeps the errors, one of which names the cause of an end."""
        for line in log:
            sys.stderr.buffer.write(line)
            sys.stderr.buffer.flush()
            if is_error(text := line.decode(errors="replace")):
                self._error_lines.append(text)

    def _arguments(self, backends_dir: Path) -> list[str]:
        return [
            f"--id={self._name}",
            f"--model-repository={self._repository}",
            f"--backend-directory={backends_dir}",
            f"--backend-config=python,shm-region-prefix-name={self._shared_memory_prefix}",
            "--model-control-mode=none",
            "--disable-auto-complete-config",  # what is served is what the files say
            f"--exit-timeout-secs={EXIT_TIMEOUT_S}",
            f"--grpc-address={LOOPBACK}",
            f"--grpc-port={self._ports.grpc}",
            *_endpoint("http", self._ports.http),
            *_endpoint("metrics", self._ports.metrics),
            # Behind a key that nobody is told: they read and write files, and map the memory
            # that the Python stubs work in.
            f"--grpc-restricted-protocol={_RESTRICTED}:closed={token_hex()}",
            f"--http-restricted-api={_RESTRICTED}:closed={token_hex()}",
            # Its DCGM would poll the GPU under this contender only; telemetry samples it for all.
            "--allow-gpu-metrics=false",
            "--allow-cpu-metrics=false",
        ]


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens on the port; TritonError where it is in use.

    A port in use would not only stop Triton: whoever has it could answer in Triton's place.
    """
    try:
        return socket.create_server((host, port))
    except OSError as error:
        raise TritonError(
            f"expected port {port} of {host} to be free, found it in use ({error.strerror}): "
            "choose another."
        ) from None


def require_shared_memory(folder: Path) -> None:
    """Triton maps what it asks for unseen, and ends with a segmentation fault where it is not."""
    free_bytes = shutil.disk_usage(folder).free if folder.is_dir() else 0
    if free_bytes < SHARED_MEMORY_BYTES:
        raise TritonError(
            f"expected {SHARED_MEMORY_BYTES // 2**20} MiB free in {folder} for Triton's Python "
            f"models, found {free_bytes / 2**20:.1f} MiB: make room there, or enlarge it "
            "(docker run --shm-size)."
        )


def _endpoint(name: str, port: int | None) -> list[str]:
    if port is None:
        return [f"--allow-{name}=false"]
    return [f"--allow-{name}=true", f"--{name}-address={LOOPBACK}", f"--{name}-port={port}"]


def exit_on_signals() -> None:
    """Makes SIGTERM and SIGINT end this process with code 0, through its context managers."""

    def leave(_number: int, _frame: FrameType | None) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)  # a second one must not cut the clean-up short
        sys.exit(0)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, leave)
