"""Starting and stopping the real server: nothing stays behind, failures are named."""

import shutil
import signal
import socket
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from loadtests.launch.server import Ports as LaunchPorts
from loadtests.launch.server import free_ports
from servers.triton_service import process as process_module
from servers.triton_service.installation import SITE_VARIABLE
from servers.triton_service.process import Ports, TritonServer

pytestmark = pytest.mark.live

Refusal = Callable[..., tuple[int, str]]


def test_triton_does_not_poll_the_gpu_that_telemetry_samples_for_every_contender() -> None:
    server = TritonServer(Path("repository"), Path("work"), Ports(1, 2))
    assert "--allow-gpu-metrics=false" in server._arguments(Path("backends"))


def test_triton_listens_on_loopback_alone() -> None:
    server = TritonServer(Path("repository"), Path("work"), Ports(1, 2, 3))
    options = [argument.partition("=") for argument in server._arguments(Path("backends"))]
    addresses = {name: value for name, _, value in options if name.endswith("-address")}
    assert addresses == {
        "--grpc-address": "127.0.0.1",
        "--metrics-address": "127.0.0.1",
        "--http-address": "127.0.0.1",
    }


def test_http_is_closed_where_no_load_comes_over_it() -> None:
    server = TritonServer(Path("repository"), Path("work"), Ports(1, 2))
    assert "--allow-http=false" in server._arguments(Path("backends"))


@pytest.fixture
def leaves_nothing(alive: Any, until: Any) -> Callable[..., None]:
    """Ends a contender that serves, and looks for what it had."""

    def end(running: Any, number: signal.Signals, code: int = 0, whole_group: bool = False) -> None:
        processes, shared_memory = running.descendants(), running.shared_memory()
        assert len(processes) == 3  # tritonserver and one Python stub for each of two models
        assert len(shared_memory()) == 2
        assert running.open_ports() == running.all_ports()

        found_code = running.end(number, whole_group)

        # Only a killed launcher needs time here: it cannot wait for its own server.
        until(lambda: not alive(processes), deadline_s=0 if code == 0 else 20)
        assert (found_code, alive(processes)) == (code, []), running.log_text()[-3000:]
        assert running.open_ports() == []
        assert shared_memory() == []

    return end


def test_a_killed_contender_leaves_no_process_port_or_shared_memory(
    start_triton: Any, leaves_nothing: Callable[..., None]
) -> None:
    running = start_triton()
    running.wait_until_ready()

    leaves_nothing(running, signal.SIGKILL, code=-signal.SIGKILL)


def test_a_server_that_ends_by_itself_is_started_again_and_sigterm_leaves_nothing_of_either(
    start_triton: Any, until: Any, alive: Any, connect: Any, leaves_nothing: Callable[..., None]
) -> None:
    running = start_triton()
    running.wait_until_ready()
    processes, shared_memory = running.descendants(), running.shared_memory()

    next(p for p in processes if p.name() == "tritonserver").kill()

    assert until(lambda: "Triton is ready again" in running.log_text(), 60)
    said = [line for line in running.log_text().splitlines() if "is started again" in line]
    assert len(said) == 1
    assert said[0].endswith("found that it ended with code -9: its log has no error")
    assert alive(processes) == []
    assert shared_memory() == []
    client = connect(running.address)
    assert len(client.send(["a"]).result().outputs) == 2
    client.close()
    leaves_nothing(running, signal.SIGTERM)


def test_a_model_that_does_not_load_is_named_in_the_last_line(
    start_triton: Any, model_dir: Path, tmp_path: Path
) -> None:
    damaged = tmp_path / "model"
    shutil.copytree(model_dir, damaged)
    (damaged / "model.onnx").write_bytes(b"not a network")

    running = start_triton(model_dir=damaged)

    assert running.process.wait(60) == 1
    last = running.log_text().splitlines()[-1]
    assert last.startswith("expected Triton to keep running")
    assert "failed to load 'classifier' version 1" in last


@pytest.mark.parametrize("name", ["grpc", "http", "metrics"])
def test_a_port_in_use_is_refused_before_a_server_is_started(
    refusal: Refusal, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(process_module, "prepare_installation", lambda _: pytest.fail("started"))
    free = free_ports(("grpc", "metrics"))
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        ports = {"http": free.main} | dict(free.extra) | {name: taken}
        code, said = refusal("triton-http", ports=LaunchPorts(ports.pop("http"), ports))

    assert code == 1
    assert f"expected port {taken} of 127.0.0.1 to be free" in said


def test_a_model_folder_without_a_model_is_refused(refusal: Refusal, tmp_path: Path) -> None:
    code, said = refusal("triton", model_dir=tmp_path)

    assert code == 1
    assert said.startswith(f"expected config.json in {tmp_path}, found none")


def modes_of_the_package() -> dict[Path, int]:
    spec = find_spec("pytriton")
    assert spec is not None
    assert spec.origin is not None
    return {path: path.stat().st_mode for path in Path(spec.origin).parent.rglob("*")}


def test_folders_of_any_name_are_served_and_ctrl_c_leaves_nothing_but_the_package_as_it_was(
    start_triton: Any,
    client_of: Any,
    model_dir: Path,
    tmp_path: Path,
    monkeypatch: Any,
    leaves_nothing: Callable[..., None],
) -> None:
    odd = tmp_path / "é 张"
    for name in ("run", "temporary", "site"):
        (odd / name).mkdir(parents=True)
    monkeypatch.setenv("TMPDIR", str(odd / "temporary"))
    monkeypatch.setenv(SITE_VARIABLE, str(odd / "site"))
    shutil.copytree(model_dir, odd / "model")
    modes = modes_of_the_package()

    running = start_triton(model_dir=odd / "model", folder=odd / "run")
    running.wait_until_ready()
    assert client_of(running).send(["canary"]).result().outputs
    option = "--model-repository="
    arguments = [arg for process in running.descendants() for arg in process.cmdline()]
    repository = Path(next(arg[len(option) :] for arg in arguments if arg.startswith(option)))
    assert repository.is_dir()

    leaves_nothing(running, signal.SIGINT, whole_group=True)
    assert not repository.parent.exists()
    assert modes_of_the_package() == modes


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_a_host_that_a_network_reaches_is_refused(host: str, refusal: Refusal) -> None:
    assert refusal("triton", host=host) == (
        2,
        f"expected --host 127.0.0.1, found {host}: Triton 2.51 can be ended by a request and must "
        "face no network; choose hybrid, whose gateway may.",
    )
