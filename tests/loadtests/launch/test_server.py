"""Starting and stopping contenders, with the null server as the contender."""

import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from loadtests.launch.server import LaunchError, Ports, busy_port, cause_in, free_ports, launched
from loadtests.wire.probe import read_counters
from servers.discovery import discover
from servers.launch_args import RESTARTS_FILE

NULL = discover()["null-http"]


def gone_within(process: psutil.Process, seconds: float) -> bool:
    _, alive = psutil.wait_procs([process], timeout=seconds)
    return not alive


def test_a_launched_contender_has_answered_and_is_gone_afterwards(tmp_path: Path) -> None:
    with launched(NULL, model_dir=tmp_path, cores=(), log=tmp_path / "log") as server:
        assert read_counters(server.address)["requests_ok"] >= 1
        process = psutil.Process(server.pid)
    assert gone_within(process, 1)
    with socket.socket() as client:
        assert client.connect_ex((server.address.host, server.address.port)) != 0


def test_a_contender_is_confined_to_its_cores(tmp_path: Path) -> None:
    core = min(os.sched_getaffinity(0))
    with launched(NULL, model_dir=tmp_path, cores=(core,), log=tmp_path / "log") as server:
        assert psutil.Process(server.pid).cpu_affinity() == [core]


def test_a_contender_that_exits_is_reported_with_the_end_of_its_log(tmp_path: Path) -> None:
    broken = replace(NULL, name="broken", server="no_such_service")
    with (
        pytest.raises(
            LaunchError, match="broken exited with code 1 before it answered: .*No module named"
        ) as caught,
        launched(broken, model_dir=tmp_path, cores=(), log=tmp_path / "log"),
    ):
        pass
    assert "No module named servers.no_such_service" in "\n".join(caught.value.log_tail)


CUDA_ERROR = """\
Traceback (most recent call last):
  File "torch_engine.py", line 34, in __init__
    self._model.to(placement.device)
torch.AcceleratorError: CUDA error: no kernel image is available for execution on the device
Search for `cudaErrorNoKernelImageForDevice' in the documentation for more information.
CUDA kernel errors might be asynchronously reported at some other API call.
For debugging consider passing CUDA_LAUNCH_BLOCKING=1
Compile with `TORCH_USE_CUDA_DSA` to enable device-side assertions.

"""
OUT_OF_MEMORY = """\
INFO:     Waiting for application startup.
torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.

ERROR:    Application startup failed. Exiting.
"""


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        (CUDA_ERROR, "torch.AcceleratorError: CUDA error: no kernel image is available for"),
        (OUT_OF_MEMORY, "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB."),
        ("one\nexpected Triton to keep running, found code 1\n\n", "expected Triton to keep"),
        ("", "it wrote nothing"),
    ],
)
def test_the_cause_is_the_last_exception_or_else_the_last_words(said: str, cause: str) -> None:
    assert cause_in(said.splitlines()).startswith(cause)


def test_a_contender_that_refuses_to_start_is_reported_with_its_own_sentence(
    tmp_path: Path,
) -> None:
    wrong = replace(NULL, name="wrong", server="fastapi_service", options={"handlers": "tuned"})
    with (
        pytest.raises(
            LaunchError, match="wrong did not start: expected .* found none: this server"
        ),
        launched(wrong, model_dir=tmp_path, cores=(), log=tmp_path / "log"),
    ):
        pass


def test_a_contender_that_never_answers_is_stopped_and_reported(tmp_path: Path) -> None:
    mute = replace(NULL, protocol="kserve-grpc")  # speaks HTTP, is asked in gRPC
    with (
        pytest.raises(LaunchError, match="did not answer a canary inference within 1 s"),
        launched(mute, model_dir=tmp_path, cores=(), log=tmp_path / "log", ready_within_s=1),
    ):
        pass
    assert [p for p in psutil.Process().children(recursive=True) if "null" in p.cmdline()] == []


def test_a_contender_does_not_outlive_a_killed_study(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path\n"
        "from loadtests.launch.server import launched; from servers.discovery import discover\n"
        "folder = Path(sys.argv[1])\n"
        "with launched(discover()['null-http'], model_dir=folder, cores=(), log=folder/'log') as s:"
        "\n    print(s.pid, flush=True); time.sleep(60)\n"
    )
    study = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert study.stdout is not None
    server = psutil.Process(int(study.stdout.readline()))
    study.send_signal(signal.SIGKILL)
    study.wait()
    study.stdout.close()
    assert gone_within(server, 10)


def test_ports_are_all_different() -> None:
    ports = free_ports(["http", "metrics"])
    assert len({ports.main, *ports.extra.values()}) == 3


def test_a_busy_port_is_found() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        assert busy_port(Ports(free_ports([]).main, {"http": port})) == port


def test_free_ports_are_not_busy() -> None:
    assert busy_port(free_ports(["http"])) is None


def test_the_first_answer_ends_the_wait(tmp_path: Path) -> None:
    began = time.monotonic()
    with launched(NULL, model_dir=tmp_path, cores=(), log=tmp_path / "log") as server:
        assert 0 < server.startup_s <= time.monotonic() - began


def test_what_a_contender_says_of_its_restarts_is_read_from_its_own_folder(tmp_path: Path) -> None:
    with launched(NULL, model_dir=tmp_path, cores=(), log=tmp_path / "log") as server:
        assert (server.restarts(), server.broken()) == ((), None)
        assert server.process is not None
        (work_dir,) = [
            argument.removeprefix("--work-dir=")
            for argument in server.process.cmdline()
            if argument.startswith("--work-dir=")
        ]
        (Path(work_dir) / RESTARTS_FILE).write_text("it died\nit is back\n")
        assert server.restarts() == ("it died", "it is back")
        assert server.broken() == "null-http did not run without a break: it died"
