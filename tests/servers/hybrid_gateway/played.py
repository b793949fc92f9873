"""A Triton that is played, so that it can be slow, broken or gone when a test wants it to, and a
gateway before it; sockets and gRPC are real."""

import http.client
import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Mapping
from concurrent import futures
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import uvicorn
from tritonclient.grpc import service_pb2, service_pb2_grpc

from servers.http_service import UVICORN_OPTIONS
from servers.hybrid_gateway.__main__ import server_options
from servers.hybrid_gateway.app import create_app
from servers.hybrid_gateway.features import Features
from servers.hybrid_gateway.gateway import GatewaySettings
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
        self.most_rows: int | None = None  # larger batches fail; the canary has one row
        self.n_asked = self.n_abandoned = 0
        self.calls: list[Asked] = []
        self._server = grpc.server(futures.ThreadPoolExecutor(32))
        service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(self, self._server)
        self.port = self._server.add_insecure_port(f"127.0.0.1:{self.port}")
        self._server.start()

    def stop(self) -> None:
        self.released.set()
        self._server.stop(None).wait(SOON_S)

    def ModelInfer(self, request: Any, context: grpc.ServicerContext) -> Any:
        self.n_asked += 1
        rows = request.inputs[0].shape[0]
        said = dict(context.invocation_metadata())
        self.calls.append(Asked(rows, request.id, said, context.time_remaining()))
        over = threading.Event()
        context.add_callback(over.set)
        while not self.released.wait(0.01):
            if over.is_set():
                self.n_abandoned += 1
                return service_pb2.ModelInferResponse()
        if self.error is not None:
            context.abort(grpc.StatusCode.INTERNAL, self.error)
        if self.most_rows is not None and rows > self.most_rows:
            context.abort(grpc.StatusCode.INTERNAL, "too many rows")
        output = service_pb2.ModelInferResponse.InferOutputTensor(
            name="logits", datatype="FP32", shape=[rows, self._n_labels]
        )
        raw = np.zeros((rows, self._n_labels), np.float32).tobytes()
        return service_pb2.ModelInferResponse(outputs=[output], raw_output_contents=[raw])

    def ModelReady(self, *_: object) -> Any:
        return service_pb2.ModelReadyResponse(ready=True)

    def ModelStatistics(self, *_: object) -> Any:
        statistics = service_pb2.ModelStatistics(name="classifier")
        return service_pb2.ModelStatisticsResponse(model_stats=[statistics])


@dataclass(frozen=True)
class Asked:
    """What the gateway told with one inference."""

    rows: int
    request_id: str
    metadata: Mapping[str, Any]
    left_s: float | None


class Gateway:
    def __init__(
        self, triton: FakeTriton, model_dir: Path, features: Features | None = None
    ) -> None:
        features = features or Features()
        settings = GatewaySettings(
            grpc_url=f"127.0.0.1:{triton.port}",
            model_dir=model_dir,
            deadline_s=DEADLINE_S,
            max_batch_size=32,
            max_in_progress=MOST,
            features=features,
        )
        self.app = create_app(settings)
        options = UVICORN_OPTIONS | server_options(features)
        self._server = uvicorn.Server(uvicorn.Config(self.app, **options))
        listening = socket.create_server(("127.0.0.1", 0))
        self.address = listening.getsockname()
        self._thread = threading.Thread(target=self._server.run, args=([listening],))
        self._thread.start()

    @property
    def pulse(self) -> Pulse:
        pulse: Pulse = self.app.state.gateway.model.pulse
        return pulse

    def send(
        self, value: object = None, path: str = "/predict", **headers: str
    ) -> http.client.HTTPConnection:
        """headers: with underscores for hyphens."""
        connection = http.client.HTTPConnection(*self.address, timeout=SOON_S)
        body = None if value is None else json.dumps(value)
        named = {name.replace("_", "-"): each for name, each in headers.items()}
        said = {"content-type": "application/json", **named}
        connection.request("GET" if value is None else "POST", path, body, said)
        return connection

    def ask(
        self, value: object = None, path: str = "/predict", **headers: str
    ) -> tuple[int, Any, str | None]:
        """Status, value and Retry-After of the answer."""
        return answer_on(self.send(value, path, **headers))

    def fetch(self, value: object = None, path: str = "/predict", **headers: str) -> "Fetched":
        """The whole answer."""
        response = self.send(value, path, **headers).getresponse()
        return Fetched(response.status, dict(response.getheaders()), response.read())

    def is_ready(self) -> bool:
        return self.ask(path="/health/ready")[0] == 200

    def end(self) -> None:
        """Without waiting for it."""
        self._server.should_exit = True

    def stop(self) -> None:
        self.end()
        self._thread.join(SOON_S)
        self._server.force_exit = True


@dataclass(frozen=True)
class Fetched:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def value(self) -> Any:
        return json.loads(self.body)


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
