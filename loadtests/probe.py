"""Plain blocking clients for everything outside the timed load: readiness, parity, counters."""

import http.client
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol as Interface

import grpc
from tritonclient.grpc import service_pb2, service_pb2_grpc

from loadtests.traffic import GRPC_METHOD, HTTP_PATH, decode_answer, encode_request
from servers.contract import MODEL_NAME, BatchItem, ServerCounters
from servers.discovery import Protocol


class ProbeError(RuntimeError):
    """The contender did not answer as the wire contract says."""


@dataclass(frozen=True)
class Address:
    """Where a contender listens."""

    protocol: Protocol
    host: str
    port: int

    @property
    def url(self) -> str:
        scheme = "http" if self.protocol == "http-json" else "grpc"
        return f"{scheme}://{self.host}:{self.port}"


class Probe(Interface):
    """One connection to one contender."""

    def predict(self, text: str) -> BatchItem: ...
    def counters(self) -> ServerCounters: ...


class _HttpProbe:
    def __init__(self, address: Address, timeout_s: float) -> None:
        self._connection = http.client.HTTPConnection(address.host, address.port, timeout=timeout_s)

    def predict(self, text: str) -> BatchItem:
        body = encode_request("http-json", text)
        return decode_answer("http-json", self._exchange("POST", HTTP_PATH, body))

    def counters(self) -> ServerCounters:
        return ServerCounters.model_validate_json(self._exchange("GET", "/stats"))

    def _exchange(self, method: str, path: str, body: bytes | None = None) -> bytes:
        self._connection.request(method, path, body, {"content-type": "application/json"})
        response = self._connection.getresponse()
        content = response.read()
        if response.status != 200:
            raise ProbeError(f"expected HTTP 200 from {path}, found {response.status}: {content!r}")
        return content

    def close(self) -> None:
        self._connection.close()


class _GrpcProbe:
    def __init__(self, address: Address, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._channel = grpc.insecure_channel(f"{address.host}:{address.port}")
        self._infer = self._channel.unary_unary(GRPC_METHOD)
        self._service = service_pb2_grpc.GRPCInferenceServiceStub(self._channel)

    def predict(self, text: str) -> BatchItem:
        reply = self._infer(encode_request("kserve-grpc", text), timeout=self._timeout_s)
        return decode_answer("kserve-grpc", reply)

    def counters(self) -> ServerCounters:
        reply = self._service.ModelStatistics(
            service_pb2.ModelStatisticsRequest(), timeout=self._timeout_s
        )
        models = {stats.name: stats for stats in reply.model_stats}
        whole = models[MODEL_NAME]
        # In an ensemble only the step that runs the network shows how batches formed.
        network = models.get("classifier", whole)
        return ServerCounters(
            requests_ok=whole.inference_stats.success.count,
            requests_failed=whole.inference_stats.fail.count,
            inferences=network.inference_count,
            executions=network.execution_count,
        )

    def close(self) -> None:
        self._channel.close()


@contextmanager
def open_probe(address: Address, timeout_s: float = 10.0) -> Iterator[Probe]:
    """A probe of the contender at address; whatever goes wrong is raised as ProbeError."""
    kind = _HttpProbe if address.protocol == "http-json" else _GrpcProbe
    probe = kind(address, timeout_s)
    try:
        yield probe
    except grpc.RpcError as error:
        raise ProbeError(f"gRPC {error.code().name}: {error.details()}") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise ProbeError(f"{type(error).__name__}: {error}") from error
    finally:
        probe.close()


def read_counters(address: Address, timeout_s: float = 10.0) -> dict[str, int | None]:
    """The fields of ServerCounters as the contender counts them now."""
    with open_probe(address, timeout_s) as probe:
        return probe.counters().model_dump()


def settled_counters(address: Address, within_s: float) -> dict[str, int | None]:
    """The counters once two readings agree: Triton counts a request after it has answered it."""
    deadline = time.monotonic() + within_s
    last = read_counters(address, within_s)
    while True:
        time.sleep(0.1)
        now = read_counters(address, within_s)
        if now == last or time.monotonic() > deadline:
            return now
        last = now
