"""Starts each contender once, as the launcher would, and gives every protocol the same client."""

import json
import os
import signal
import struct
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import grpc
import psutil
import pytest
from tritonclient.grpc import service_pb2, service_pb2_grpc

from loadtests.wire.address import Address
from loadtests.wire.probe import settled_counters
from servers.classifier.compiled_network import compiled_network
from servers.contract import MODEL_NAME
from servers.discovery import Contender, EngineName, OptionValue, discover

START_DEADLINE_S = 60.0
STOP_DEADLINE_S = 15.0
INFER_PATH = f"/v2/models/{MODEL_NAME}/infer"
COUNTED_DEADLINE_S = 10.0
VARIANTS: dict[str, tuple[str, EngineName, dict[str, OptionValue]]] = {
    "litserve-torch": ("litserve-patched", "torch", {}),
    "triton-torch-alone": ("triton", "torch", {"batcher": False}),
    # Patient: 64 at once are more than its own bound lets pass.
    "triton-shedding": (
        *("triton-shedding", "onnxruntime"),
        {"queue_timeout_us": 20_000_000, "instances": 2},
    ),
}
"""What contenders become in an experiment, as far as a CPU can show it."""

STARTED_AS = {"triton-http-binary": "triton-http"}
"""Contenders that are another one, asked in another way: one start serves both."""

STOCK_LITSERVE = {
    "test_a_batch_is_answered_like_its_texts_alone",
    "test_the_largest_batch_is_answered",
    "test_counters_reconcile_with_the_requests_sent",
    "test_the_api_is_described",
}
"""Tests of what LitServe cannot promise as it comes: each of its requests is one input, so that it
has no route for several texts."""

CONTENDERS = {
    **discover(),
    **{
        name: discover()[base].variant(name, options, engine)
        for name, (base, engine, options) in VARIANTS.items()
    },
}


@dataclass(frozen=True)
class Answer:
    label: str
    confidence: float


class RefusedError(Exception):
    """The contender refused the request as bad input; the message is its own."""


class Client(Protocol):
    """One caller."""

    def classify(self, text: str) -> Answer: ...


class HttpClient:
    def __init__(self, url: str) -> None:
        self.url = url

    def send(self, path: str, body: bytes | None = None) -> tuple[int, Any]:
        request = urllib.request.Request(
            self.url + path, data=body, headers={"content-type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return response.status, json.loads(response.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    def post(self, path: str, value: object) -> tuple[int, Any]:
        return self.send(path, json.dumps(value).encode())

    def classify(self, text: str) -> Answer:
        status, answer = self.post("/predict", {"text": text})
        if status == 422:
            raise RefusedError(answer["detail"])
        assert status == 200, answer
        return Answer(answer["label"], answer["confidence"])

    def counters(self) -> dict[str, int]:
        status, counters = self.send("/stats")
        assert status == 200, counters
        return dict(counters)


class GrpcClient:
    def __init__(self, address: str) -> None:
        # A channel of its own: by default, channels to one address share a connection.
        self._channel = grpc.insecure_channel(
            address, [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0)]
        )
        self.stub = service_pb2_grpc.GRPCInferenceServiceStub(self._channel)

    def infer(self, text: str) -> Any:
        encoded = text.encode()
        tensor = service_pb2.ModelInferRequest.InferInputTensor
        request = service_pb2.ModelInferRequest(
            model_name=MODEL_NAME,
            inputs=[tensor(name="TEXT", datatype="BYTES", shape=[1, 1])],
            raw_input_contents=[struct.pack("<I", len(encoded)) + encoded],
        )
        return self.stub.ModelInfer(request, timeout=30)

    def classify(self, text: str) -> Answer:
        try:
            response = self.infer(text)
        except grpc.RpcError as error:
            if error.code() == grpc.StatusCode.INVALID_ARGUMENT:
                raise RefusedError(error.details()) from None
            raise
        raw = {
            output.name: content
            for output, content in zip(response.outputs, response.raw_output_contents, strict=True)
        }
        confidence: float = struct.unpack("<f", raw["CONFIDENCE"])[0]
        return Answer(raw["LABEL"][4:].decode(), confidence)


class KserveHttpClient(HttpClient):
    """KServe v2 in JSON."""

    def infer(self, text: str) -> tuple[int, Any]:
        tensor = {"name": "TEXT", "datatype": "BYTES", "shape": [1, 1], "data": [text]}
        return self.post(INFER_PATH, {"inputs": [tensor]})

    def classify(self, text: str) -> Answer:
        status, answer = self.infer(text)
        if status == 400:
            raise RefusedError(answer["error"])
        assert status == 200, answer
        data = {output["name"]: output["data"][0] for output in answer["outputs"]}
        return Answer(data["LABEL"], data["CONFIDENCE"])


class KserveBinaryClient(HttpClient):
    """KServe v2 with its binary extension: what the reply's header says is JSON, then tensors."""

    def classify(self, text: str) -> Answer:
        element = struct.pack("<I", len(text.encode())) + text.encode()
        size = {"binary_data_size": len(element)}
        tensor = {"name": "TEXT", "datatype": "BYTES", "shape": [1, 1], "parameters": size}
        said = {"inputs": [tensor], "parameters": {"binary_data_output": True}}
        head = json.dumps(said).encode()
        request = urllib.request.Request(self.url + INFER_PATH, data=head + element)
        request.add_header("inference-header-content-length", str(len(head)))
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                at, reply = (
                    int(response.headers["inference-header-content-length"]),
                    response.read(),
                )
        except urllib.error.HTTPError as error:
            if error.code != 400:
                raise
            raise RefusedError(json.loads(error.read())["error"]) from None
        raw = {}
        for output in json.loads(reply[:at])["outputs"]:
            end = at + output["parameters"]["binary_data_size"]
            raw[output["name"]], at = reply[at:end], end
        return Answer(raw["LABEL"][4:].decode(), struct.unpack("<f", raw["CONFIDENCE"])[0])


CLIENTS = {
    None: HttpClient,
    "kserve-json": KserveHttpClient,
    "kserve-binary": KserveBinaryClient,
}


@dataclass(frozen=True)
class RunningServer:
    """started_as: the contender's name, or that of the one it is a variant of."""

    contender: Contender
    started_as: str
    address: str
    process: subprocess.Popen[bytes]

    def client(self) -> Any:
        if self.contender.protocol == "http-json":
            return CLIENTS[self.contender.wire](f"http://{self.address}")
        return GrpcClient(self.address)

    def answered(self) -> int:
        """Inferences since the start, once they are counted: Triton counts after answering."""
        host, port = self.address.split(":")
        address = Address.of(self.contender, host, int(port))
        counters = settled_counters(address, COUNTED_DEADLINE_S)
        assert counters is not None
        assert counters["requests_ok"] is not None
        return counters["requests_ok"]

    def has_counted(self, n_requests: int, before: int) -> bool:
        """Whether it answered so many since; Triton may count one from before late."""
        n_late = 1 if self.contender.server in ("triton_service", "hybrid_gateway") else 0
        return n_requests <= self.answered() - before <= n_requests + n_late


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Runs a test that uses `server` on the contenders its module's applies_to accepts."""

    def id_of(name: str) -> str:
        started = STARTED_AS.get(name, name)
        return f"<server {started}>" if started == name else f"<server {started}> as {name}"

    if "server" in metafunc.fixturenames:
        applies_to: Callable[[Contender], bool] = metafunc.module.applies_to
        names = [name for name, contender in CONTENDERS.items() if applies_to(contender)]
        # By name, not by value: pytest keeps a server running between tests of equal parameters.
        ids = [id_of(name) for name in names]
        both = [(STARTED_AS.get(name, name), name) for name in names]
        what = ("started", "server")
        metafunc.parametrize(what, both, indirect=True, scope="session", ids=ids)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        function, _, server = item.name.partition("[<server ")
        named = server.startswith("litserve>")
        if named and (function in STOCK_LITSERVE or "/batch_predict" in server):
            item.add_marker(pytest.mark.skip(reason="LitServe as it comes: one text a request"))


@pytest.fixture(scope="session")
def server(request: pytest.FixtureRequest, started: RunningServer) -> RunningServer:
    contender, up = CONTENDERS[request.param], started.contender
    # What differs may be how it is asked, and no more: else it needs a start of its own.
    for each in ("server", "engine", "options", "extra_ports", "protocol"):
        assert getattr(contender, each) == getattr(up, each)
    return replace(started, contender=contender)


@pytest.fixture(scope="session")
def started(
    request: pytest.FixtureRequest, start_contender: Callable[..., Any], model_dir: Path
) -> Iterator[RunningServer]:
    if CONTENDERS[request.param].engine == "torch-compiled":
        compiled_network(model_dir)  # as prepare does it: before the start
    base, engine, options = VARIANTS.get(request.param, (request.param, None, {}))
    contender = start_contender(base, engine=engine, **options)
    address = f"127.0.0.1:{contender.ports.main}"
    running = RunningServer(CONTENDERS[request.param], base, address, contender.process)
    try:
        _wait_for_a_canary(running, contender.log)
        yield running
    finally:
        _stop(running, contender.log)


def _wait_for_a_canary(running: RunningServer, log: Path) -> None:
    deadline_s = time.monotonic() + START_DEADLINE_S
    last: Exception | None = None
    while time.monotonic() < deadline_s and running.process.poll() is None:
        try:
            running.client().classify("canary")
            return
        except (OSError, grpc.RpcError, AssertionError) as error:
            last = error
            time.sleep(0.1)
    pytest.fail(f"{running.contender.name} did not answer: {last!r}\n{log.read_text()[-4000:]}")


def _stop(running: RunningServer, log: Path) -> None:
    """SIGTERM must end the contender with code 0 and leave no process of its group behind."""
    group = running.process.pid
    running.process.send_signal(signal.SIGTERM)
    try:
        code: int | str = running.process.wait(STOP_DEADLINE_S)
    except subprocess.TimeoutExpired:
        code = f"none after {STOP_DEADLINE_S:g} s"
    deadline_s = time.monotonic() + STOP_DEADLINE_S
    while (left := _processes_of_group(group)) and time.monotonic() < deadline_s:
        time.sleep(0.05)
    if left or not isinstance(code, int):
        os.killpg(group, signal.SIGKILL)
    assert (code, left) == (0, []), log.read_text()[-4000:]


def _processes_of_group(group: int) -> list[str]:
    found = []
    for process in psutil.process_iter(["name"]):
        try:
            # A zombie has ended; whether somebody has collected it is not the contender's affair.
            if os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE:
                found.append(str(process.info["name"]))
        except (ProcessLookupError, psutil.NoSuchProcess):
            continue
    return found
