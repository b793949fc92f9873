"""Clients of a server on this machine reach it whatever proxy the environment names."""

import ast
import threading
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path
from types import ModuleType

import grpc
import pytest
from tritonclient.grpc import InferenceServerClient, service_pb2, service_pb2_grpc

import loadtests
import servers
from servers.grpc_channel import GRPC_CHANNEL_OPTIONS, RECONNECTING_GRPC_CHANNEL_OPTIONS
from servers.hybrid_gateway import app
from servers.triton_service.client import wires


class Ready(service_pb2_grpc.GRPCInferenceServiceServicer):
    def ServerReady(self, *_: object) -> service_pb2.ServerReadyResponse:
        return service_pb2.ServerReadyResponse(ready=True)


@pytest.fixture
def address() -> Iterator[str]:
    server = grpc.server(futures.ThreadPoolExecutor(1))
    service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(Ready(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    stopped: threading.Event = server.stop(None)
    stopped.wait()


@pytest.mark.parametrize("variable", ["http_proxy", "https_proxy", "grpc_proxy"])
def test_a_proxy_in_the_environment_is_not_asked(
    address: str, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "http://127.0.0.1:9")

    with InferenceServerClient(address, channel_args=GRPC_CHANNEL_OPTIONS) as client:
        assert client.is_server_ready(client_timeout=5.0)


def test_every_client_of_servers_and_load_opens_its_channel_with_these_options() -> None:
    openers = {"InferenceServerClient", "insecure_channel"}
    without = [
        f"{path}:{call.lineno}"
        for package in (servers, loadtests)
        for path in Path(package.__file__).parent.rglob("*.py")
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call)
        and ast.unparse(call.func).rpartition(".")[2] in openers
        and "GRPC_CHANNEL_OPTIONS" not in ast.unparse(call)
        and path != Path(wires.__file__)  # it has two clients over HTTP, too
    ]
    assert without == []


def test_the_pauses_before_a_server_is_looked_for_again_stand_in_one_place() -> None:
    said = [
        path.name
        for package in (servers, loadtests)
        for path in Path(package.__file__).parent.rglob("*.py")
        if "reconnect_backoff" in path.read_text(encoding="utf-8")
    ]
    assert said == ["grpc_channel.py"]
    assert set(GRPC_CHANNEL_OPTIONS) < set(RECONNECTING_GRPC_CHANNEL_OPTIONS)


@pytest.mark.parametrize(("module", "n_clients"), [(app, 1), (wires, 2)])
def test_clients_that_outlive_their_server_soon_look_for_it_again(
    module: ModuleType, n_clients: int
) -> None:
    source = Path(str(module.__file__)).read_text(encoding="utf-8")
    assert source.count("channel_args=RECONNECTING_GRPC_CHANNEL_OPTIONS") == n_clients
