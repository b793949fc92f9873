"""The embedded Triton over tiny models, with what the checks ask it."""

import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tritonclient.grpc import InferenceServerClient, InferInput
from tritonclient.utils import InferenceServerException

from loadtests.launch.server import free_ports
from loadtests.selfcheck.tiny_models import TinyModel, tiny_models, write_models
from servers.grpc_channel import GRPC_CHANNEL_OPTIONS
from servers.triton_service.installation import prepare_installation
from servers.triton_service.process import LOOPBACK, Ports, TritonServer

TIMEOUT_S = 60.0
Seen = tuple[bool, str]
"""Whether it is as expected, and what was seen."""

LOADED, ANSWERED = "loaded", "answered"

_OTHERWISE = (
    *("--model-control-mode", "--disable-auto-complete-config"),
    *("--grpc-restricted-protocol", "--http-restricted-api"),
)
"""What the study sets for its contenders and the statements are not about."""


class OpenTriton(TritonServer):
    """As the contenders' Triton, but with Triton's own defaults where statements are about them,
    and with models that are loaded by request; options: more of its command line."""

    options: Sequence[str] = ()

    def _arguments(self, backends_dir: Path) -> list[str]:
        arguments = super()._arguments(backends_dir)
        kept = [each for each in arguments if not each.startswith(_OTHERWISE)]
        return [*kept, "--model-control-mode=explicit", *self.options]


@dataclass(frozen=True)
class Bench:
    """A running server, its client, and its model repository."""

    server: TritonServer
    client: Any
    ports: Ports
    repository: Path
    work: Path

    def load(self, model: str) -> str:
        """LOADED, or what the server says instead."""
        try:
            self.client.load_model(model, client_timeout=TIMEOUT_S)
        except InferenceServerException as error:
            return _said(error)
        return LOADED

    def ask(
        self,
        model: str = "echo",
        shape: tuple[int, ...] = (1, 4),
        version: str = "",
        value: int = 0,
        **options: Any,
    ) -> str:
        """ANSWERED, or what the server says instead, to an input X of one value."""
        given = tensor(np.full(shape, value, np.int64))
        asked = {"model_version": version, "client_timeout": TIMEOUT_S, **options}
        try:
            self.client.infer(model, [given], **asked)
        except InferenceServerException as error:
            return _said(error)
        return ANSWERED

    def answer(self, model: str, content: NDArray[np.int64], **options: Any) -> NDArray[np.int64]:
        """The output Y for the input X."""
        found = self.client.infer(model, [tensor(content)], client_timeout=TIMEOUT_S, **options)
        array: NDArray[np.int64] = found.as_numpy("Y")
        return array

    def counts(self, model: str) -> tuple[int, int]:
        """Rows and executions of a model so far."""
        (found,) = self.client.get_inference_statistics(model).model_stats
        return found.inference_count, found.execution_count

    def http(
        self, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> tuple[int, str, bytes]:
        """Status, content type and body of Triton's reply."""
        return _reply(self.ports.http, path, body, headers or {})

    def metrics(self) -> str:
        """What the metrics endpoint says."""
        return _reply(self.ports.metrics, "/metrics", b"", {})[2].decode()

    def http_json(self, model: str, content: NDArray[np.int64]) -> bytes:
        """The reply to the input X as JSON numbers."""
        return self._inferred(model, *json_request(content))

    def http_binary(self, model: str, content: NDArray[np.int64]) -> bytes:
        """The reply to the input X as raw bytes behind a JSON header."""
        return self._inferred(model, *binary_request(content))

    def _inferred(self, model: str, body: bytes, headers: Mapping[str, str]) -> bytes:
        status, _, reply = self.http(f"/v2/models/{model}/infer", body, headers)
        if status != 200:
            raise InferenceServerException(reply.decode(errors="replace"))
        return reply

    def usage(self, *options: str) -> str:
        """What the tritonserver program prints when it is started with these options alone."""
        installation = prepare_installation(Path(mkdtemp(dir=self.work)))
        done = subprocess.run(
            [str(installation.binary), *options],
            env=dict(installation.environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        return done.stderr + done.stdout


def _said(error: InferenceServerException) -> str:
    return str(error.message()).removeprefix("[request id: <id_unknown>] ")


def tensor(content: NDArray[np.int64]) -> Any:
    """The input X."""
    given = InferInput("X", list(content.shape), "INT64")
    given.set_data_from_numpy(content)
    return given


def described(content: NDArray[np.int64]) -> dict[str, Any]:
    """The input X in JSON, without its numbers."""
    return {"name": "X", "shape": list(content.shape), "datatype": "INT64"}


def json_request(content: NDArray[np.int64]) -> tuple[bytes, dict[str, str]]:
    """Body and headers of a request with the input X as JSON numbers."""
    given = described(content) | {"data": content.ravel().tolist()}
    return json.dumps({"inputs": [given]}).encode(), {}


def binary_request(content: NDArray[np.int64]) -> tuple[bytes, dict[str, str]]:
    """The same with raw bytes behind a JSON header."""
    given = described(content) | {"parameters": {"binary_data_size": content.nbytes}}
    wanted = [{"name": "Y", "parameters": {"binary_data": True}}]
    header = json.dumps({"inputs": [given], "outputs": wanted}).encode()
    return header + content.tobytes(), {"Inference-Header-Content-Length": str(len(header))}


def _reply(
    port: int | None, path: str, body: bytes, headers: Mapping[str, str]
) -> tuple[int, str, bytes]:
    connection = HTTPConnection(LOOPBACK, port, timeout=TIMEOUT_S)
    try:
        connection.request("POST" if body else "GET", path, body, dict(headers))
        reply = connection.getresponse()
        return reply.status, reply.headers.get_content_type(), reply.read()
    finally:
        connection.close()


@contextmanager
def bench(
    work: Path,
    models: Sequence[TinyModel] | None = None,
    options: Sequence[str] = ("--load-model=echo",),
) -> Iterator[Bench]:
    """Triton over these models, else the tiny ones, ready; work is a folder in which it can work,
    with what the repository there holds already."""
    repository = work / "repository"
    write_models(repository, tiny_models() if models is None else models)
    free = free_ports(("grpc", "metrics"))
    ports = Ports(free.extra["grpc"], free.extra["metrics"], http=free.main)
    triton = OpenTriton(repository, work / "triton", ports)
    triton.options = options
    with (
        triton as server,
        InferenceServerClient(server.grpc_url, channel_args=GRPC_CHANNEL_OPTIONS) as client,
    ):
        server.wait_until_ready()
        yield Bench(server, client, ports, repository, work)
