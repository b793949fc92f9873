"""What the gateway does with requests that cannot be answered in time. Triton is played here, so
that it can be slow, broken or gone when a test wants it to; sockets and gRPC are real."""

import asyncio
import http.client
import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
import numpy as np
import pytest
import uvicorn
from tritonclient.grpc import service_pb2, service_pb2_grpc

from servers.classifier.encoding import read_labels
from servers.http_limits import ARRIVAL, Arrival
from servers.http_service import UVICORN_OPTIONS
from servers.hybrid_gateway.admission import Admission
from servers.hybrid_gateway.app import GatewaySettings, create_app
from servers.hybrid_gateway.pulse import Pulse

DEADLINE_S = 1.5
SOON_S = 20.0
MOST = 4
TEXT = {"text": "where is my parcel"}


class FakeTriton(service_pb2_grpc.GRPCInferenceServiceServicer):
    """Answers zeros, holds requests back, or fails them; says all the time that it is ready, as
    2.51 does with a dead Python process."""

    def __init__(self, n_labels: int) -> None:
        self._n_labels = n_labels
        self.port = 0
        self.start()

    def start(self) -> None:
        self.released = threading.Event()
        self.released.set()
        self.error: str | None = None
        self.n_asked = self.n_abandoned = 0
        self._server = grpc.server(futures.ThreadPoolExecutor(32))
        service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(self, self._server)
        self.port = self._server.add_insecure_port(f"127.0.0.1:{self.port}")
        self._server.start()

    def stop(self) -> None:
        self.released.set()
        self._server.stop(None).wait(SOON_S)

    def ModelInfer(self, request: Any, context: grpc.ServicerContext) -> Any:
        self.n_asked += 1
        over = threading.Event()
        context.add_callback(over.set)
        while not self.released.wait(0.01):
            if over.is_set():
                self.n_abandoned += 1
                return service_pb2.ModelInferResponse()
        if self.error is not None:
            context.abort(grpc.StatusCode.INTERNAL, self.error)
        rows = request.inputs[0].shape[0]
        output = service_pb2.ModelInferResponse.InferOutputTensor(
            name="logits", datatype="FP32", shape=[rows, self._n_labels]
        )
        raw = np.zeros((rows, self._n_labels), np.float32).tobytes()
        return service_pb2.ModelInferResponse(outputs=[output], raw_output_contents=[raw])

    def ModelReady(self, *_: object) -> Any:
        return service_pb2.ModelReadyResponse(ready=True)


class Gateway:
    def __init__(self, triton: FakeTriton, model_dir: Path) -> None:
        settings = GatewaySettings(
            grpc_url=f"127.0.0.1:{triton.port}",
            model_dir=model_dir,
            deadline_s=DEADLINE_S,
            max_batch_size=32,
            max_in_progress=MOST,
        )
        self.app = create_app(settings)
        self._server = uvicorn.Server(uvicorn.Config(self.app, **UVICORN_OPTIONS))
        listening = socket.create_server(("127.0.0.1", 0))
        self.address = listening.getsockname()
        self._thread = threading.Thread(target=self._server.run, args=([listening],))
        self._thread.start()

    @property
    def pulse(self) -> Pulse:
        pulse: Pulse = self.app.state.gateway.model.pulse
        return pulse

    def send(self, value: object = None, path: str = "/predict") -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection(*self.address, timeout=SOON_S)
        body = None if value is None else json.dumps(value)
        headers = {"content-type": "application/json"}
        connection.request("GET" if value is None else "POST", path, body, headers)
        return connection

    def ask(self, value: object = None, path: str = "/predict") -> tuple[int, Any, str | None]:
        """Status, value and Retry-After of the answer."""
        return answer_on(self.send(value, path))

    def is_ready(self) -> bool:
        return self.ask(path="/health/ready")[0] == 200

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(SOON_S)
        self._server.force_exit = True


def answer_on(connection: http.client.HTTPConnection) -> tuple[int, Any, str | None]:
    response = connection.getresponse()
    value = json.loads(response.read())
    return response.status, value.get("detail", value), response.getheader("retry-after")


def reset(connection: http.client.HTTPConnection) -> None:
    connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def until(condition: Callable[[], bool]) -> None:
    end_s = time.monotonic() + SOON_S
    while not condition():
        assert time.monotonic() < end_s
        time.sleep(0.01)


@pytest.fixture(scope="module")
def shared(model_dir: Path) -> Iterator[tuple[FakeTriton, Gateway]]:
    triton = FakeTriton(len(read_labels(model_dir)))
    gateway = Gateway(triton, model_dir)
    until(lambda: hasattr(gateway.app.state, "gateway"))
    yield triton, gateway
    gateway.stop()
    triton.stop()


@pytest.fixture
def triton(shared: tuple[FakeTriton, Gateway]) -> Iterator[FakeTriton]:
    """As new before each test: it answers, and the gateway has seen it."""
    triton, gateway = shared
    triton.stop()
    triton.start()
    until(lambda: gateway.ask(TEXT)[0] == 200)
    triton.n_asked = 0
    yield triton
    triton.released.set()


@pytest.fixture
def gateway(shared: tuple[FakeTriton, Gateway]) -> Gateway:
    return shared[1]


@pytest.fixture
def patient(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> Gateway:
    """With a deadline that no test waits for."""
    monkeypatch.setattr(gateway.app.state.gateway, "_deadline_s", 3 * SOON_S)
    return gateway


@pytest.fixture
def hurried(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> Gateway:
    """With a deadline that is soon over."""
    monkeypatch.setattr(gateway.app.state.gateway, "_deadline_s", 0.2)
    return gateway


def test_a_request_ends_at_its_deadline_and_its_inference_with_it(
    triton: FakeTriton, hurried: Gateway
) -> None:
    triton.released.clear()
    status, detail, retry_after = hurried.ask(TEXT)
    assert (status, retry_after) == (503, "1")
    assert "did not answer within the deadline" in detail
    until(lambda: triton.n_abandoned == 1)


def test_a_large_batch_ends_at_its_deadline_in_all_its_parts(
    triton: FakeTriton, hurried: Gateway
) -> None:
    triton.released.clear()
    status, _, _ = hurried.ask({"texts": ["a"] * 64}, "/batch_predict")
    assert status == 503
    until(lambda: triton.n_abandoned == 2)


@pytest.mark.parametrize(
    ("path", "body", "n_inferences"),
    [("/predict", TEXT, 1), ("/batch_predict", {"texts": ["a"] * 64}, 2)],
)
def test_a_caller_who_goes_away_ends_its_inference(
    triton: FakeTriton, patient: Gateway, path: str, body: object, n_inferences: int
) -> None:
    triton.released.clear()
    connection = patient.send(body, path)
    until(lambda: triton.n_asked == n_inferences)
    reset(connection)
    until(lambda: triton.n_abandoned == n_inferences)


def test_callers_who_have_gone_leave_room_for_others(triton: FakeTriton, patient: Gateway) -> None:
    triton.released.clear()
    callers = [patient.send(TEXT) for _ in range(MOST)]
    until(lambda: triton.n_asked == MOST)
    for connection in callers:
        reset(connection)
    until(lambda: triton.n_abandoned == MOST)
    another = patient.send(TEXT)
    until(lambda: triton.n_asked == MOST + 1)
    triton.released.set()
    assert answer_on(another)[0] == 200


def test_the_deadline_counts_from_the_last_byte_of_the_request(
    triton: FakeTriton, gateway: Gateway
) -> None:
    body = json.dumps(TEXT).encode()
    head = b"POST /predict HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n"
    connection = http.client.HTTPConnection(*gateway.address, timeout=SOON_S)
    connection.connect()
    connection.sock.sendall(head + b"content-length: %d\r\n\r\n" % len(body) + body[:5])
    time.sleep(DEADLINE_S + 0.1)  # the caller's own slowness
    connection.sock.sendall(body[5:])
    response = http.client.HTTPResponse(connection.sock)
    response.begin()
    assert response.status == 200
    connection.close()


def test_more_requests_than_fit_are_refused_at_once(triton: FakeTriton, gateway: Gateway) -> None:
    triton.released.clear()
    waiting = [gateway.send(TEXT) for _ in range(MOST)]
    until(lambda: triton.n_asked == MOST)
    refused = gateway.ask(TEXT)
    assert triton.n_asked == MOST
    triton.released.set()
    assert refused == (
        503,
        f"expected at most {MOST} requests in progress, found as many: try again later.",
        "1",
    )
    assert [answer_on(connection)[0] for connection in waiting] == [200] * MOST
    assert gateway.ask(TEXT)[0] == 200


def test_a_triton_that_says_ready_but_fails_inferences_is_not_ready(
    triton: FakeTriton, gateway: Gateway
) -> None:
    triton.error = "Failed to process the request(s): Stub process is not healthy."
    status, detail, retry_after = gateway.ask(TEXT)
    assert (status, retry_after) == (503, "1")
    assert "Stub process is not healthy" in detail
    until(lambda: gateway.pulse.down is not None)
    assert gateway.ask(path="/health/ready") == (503, {"status": "not ready"}, "1")

    triton.error = None
    until(gateway.is_ready)
    assert gateway.ask(TEXT)[0] == 200


def test_requests_fail_without_asking_while_triton_is_known_to_be_down(
    triton: FakeTriton, gateway: Gateway
) -> None:
    triton.released.clear()  # whoever asks now would wait
    gateway.pulse.down = "Triton is down"
    try:
        answers = [gateway.ask(TEXT), gateway.ask({"texts": ["a"]}, "/batch_predict")]
        stats = gateway.ask(path="/stats")
    finally:
        gateway.pulse.down = None
    assert [*answers, stats] == [(503, "Triton is down", "1")] * 3
    assert triton.n_asked == 0


def test_a_triton_that_went_away_and_came_back_is_found_again(
    triton: FakeTriton, gateway: Gateway
) -> None:
    triton.stop()
    assert gateway.ask(TEXT)[0] == 503
    until(lambda: gateway.pulse.down is not None)
    assert not gateway.is_ready()

    triton.start()
    until(gateway.is_ready)
    assert gateway.ask(TEXT)[0] == 200


@pytest.mark.parametrize(("waited_s", "gone"), [(DEADLINE_S, False), (0.0, True)])
def test_what_nobody_waits_for_any_more_is_refused_before_it_is_read(
    waited_s: float, gone: bool
) -> None:
    """A busy event loop comes to a request only after its deadline, or its caller's end."""

    async def never(*_: object) -> None:
        raise AssertionError("expected a refusal before this")

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    model = SimpleNamespace(pulse=SimpleNamespace(down=None))
    app = SimpleNamespace(state=SimpleNamespace(gateway=SimpleNamespace(model=model)))
    arrival = Arrival(time.monotonic() - waited_s, gone)
    scope = {"type": "http", "path": "/predict", "app": app, "state": {ARRIVAL: arrival}}
    asyncio.run(Admission(never, DEADLINE_S)(scope, never, send))  # type: ignore[arg-type]
    assert sent[0]["status"] == 503
