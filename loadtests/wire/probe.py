"""Plain blocking clients for everything outside the timed load: readiness, parity, counters."""

import http.client
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol as Interface

import grpc
from google.protobuf.json_format import ParseDict
from tritonclient.grpc import service_pb2, service_pb2_grpc

from loadtests.wire.address import Address
from loadtests.wire.client_limits import exhausted, exhausted_in
from loadtests.wire.formats import (
    GRPC_METHOD,
    HTTP_PATH,
    Answer,
    AnswerError,
    InferWire,
    JsonWire,
    Wire,
)
from loadtests.wire.headers import quoted, resolved_headers, without_secrets
from servers.contract import MODEL_NAME, TimedCounters
from servers.grpc_channel import GRPC_CHANNEL_OPTIONS
from servers.triton_statistics import computed_ns

TIMEOUT_S = 10.0
SETTLED_READINGS = 3
SETTLED_EVERY_S = 0.03
_REFUSING_STATUS = (429, 503)
_PASSING_STATUS = (408, *_REFUSING_STATUS)
_REFUSING_CODES = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED)
_DEFINITE_CODES = (
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.UNIMPLEMENTED,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.UNAUTHENTICATED,
    grpc.StatusCode.PERMISSION_DENIED,
)


class ProbeError(RuntimeError):
    """The contender did not answer as its wire says. definite: waiting does not help; refused: it
    said that it cannot take the request now (gRPC says the same of a lost connection)."""

    def __init__(self, message: str, definite: bool = False, refused: bool = False) -> None:
        super().__init__(message)
        self.definite = definite
        self.refused = refused


class Probe(Interface):
    """One connection to one contender."""

    def predict(self, text: str) -> Answer: ...
    def counters(self) -> TimedCounters: ...


class _HttpProbe:
    def __init__(self, address: Address, wire: JsonWire, timeout_s: float) -> None:
        self._wire = wire
        self._headers = {"content-type": "application/json"} | resolved_headers(wire)
        self._connection = http.client.HTTPConnection(address.host, address.port, timeout=timeout_s)
        self._answered = False

    def predict(self, text: str) -> Answer:
        wire = self._wire
        return wire.decode(self._exchange("POST", wire.path, wire.encode(text)))

    def counters(self) -> TimedCounters:
        if self._wire.path == HTTP_PATH:
            return TimedCounters.model_validate_json(self._exchange("GET", "/stats"))
        said = json.loads(self._exchange("GET", "/v2/models/stats"))
        return _counted(ParseDict(said, service_pb2.ModelStatisticsResponse()))

    def _exchange(self, method: str, path: str, body: bytes | None = None) -> bytes:
        wire = self._wire
        try:
            response, content = self._asked(method, path, body)
        except ConnectionError:
            if not self._answered:
                raise
            # The service may close a connection that has answered; it gets one new one.
            self._connection.close()
            self._answered = False
            response, content = self._asked(method, path, body)
        self._answered = True
        if response.status != 200:
            target = response.getheader("location")
            found = f"a redirect to {quoted(target, wire)}" if target else quoted(content, wire)
            raise ProbeError(
                f"expected HTTP 200 from {method} {path}, found {response.status}: {found}",
                definite=response.status not in _PASSING_STATUS,
                refused=response.status in _REFUSING_STATUS,
            )
        return content

    def _asked(
        self, method: str, path: str, body: bytes | None
    ) -> tuple[http.client.HTTPResponse, bytes]:
        self._connection.request(method, path, body, self._headers)
        response = self._connection.getresponse()
        return response, response.read()

    def close(self) -> None:
        self._connection.close()


class _GrpcProbe:
    def __init__(self, address: Address, wire: InferWire, timeout_s: float) -> None:
        self._wire = wire
        self._metadata = tuple(resolved_headers(wire).items())
        self._timeout_s = timeout_s
        self._channel = grpc.insecure_channel(
            f"{address.host}:{address.port}", GRPC_CHANNEL_OPTIONS
        )
        self._infer = self._channel.unary_unary(GRPC_METHOD)
        self._service = service_pb2_grpc.GRPCInferenceServiceStub(self._channel)

    def predict(self, text: str) -> Answer:
        request = self._wire.encode(text)
        return self._wire.decode(
            self._infer(request, timeout=self._timeout_s, metadata=self._metadata)
        )

    def counters(self) -> TimedCounters:
        reply = self._service.ModelStatistics(
            service_pb2.ModelStatisticsRequest(), timeout=self._timeout_s
        )
        return _counted(reply)

    def close(self) -> None:
        self._channel.close()


def _counted(reply: service_pb2.ModelStatisticsResponse) -> TimedCounters:
    models = {stats.name: stats for stats in reply.model_stats}
    whole = models[MODEL_NAME]
    # In an ensemble only the step that runs the network shows how batches formed.
    network = models.get("classifier", whole)
    tokenizer = models.get("tokenizer")
    return TimedCounters(
        requests_ok=whole.inference_stats.success.count,
        requests_failed=whole.inference_stats.fail.count,
        inferences=network.inference_count,
        executions=network.execution_count,
        request_ns=whole.inference_stats.success.ns,
        tokenise_queue_ns=tokenizer.inference_stats.queue.ns if tokenizer else None,
        tokenise_ns=computed_ns(tokenizer) if tokenizer else None,
        queue_ns=network.inference_stats.queue.ns,
        network_ns=computed_ns(network),
    )


@contextmanager
def open_probe(address: Address, timeout_s: float = TIMEOUT_S) -> Iterator[Probe]:
    """A probe of the contender at address; what goes wrong is raised as ProbeError,
    or OSError where this machine has no more descriptors, ports or memory."""
    wire = address.wire
    probe = (
        _HttpProbe(address, wire, timeout_s)
        if isinstance(wire, JsonWire)
        else _GrpcProbe(address, wire, timeout_s)
    )
    try:
        yield probe
    except (OSError, http.client.HTTPException, ValueError, ProbeError, grpc.RpcError) as error:
        number = _exhausted(error)
        if number is not None:  # of this machine: no contender is to blame
            raise OSError(number, os.strerror(number)) from error
        whose = f"{address.name} at {address.url}: " if address.name else ""
        raise ProbeError(
            whose + _sentence(error, wire), _is_definite(error), _is_refusal(error)
        ) from None
    finally:
        probe.close()


def _is_definite(error: Exception) -> bool:
    if isinstance(error, grpc.RpcError):
        return error.code() in _DEFINITE_CODES
    return isinstance(error, AnswerError) or (isinstance(error, ProbeError) and error.definite)


def _is_refusal(error: Exception) -> bool:
    if isinstance(error, grpc.RpcError):
        return error.code() in _REFUSING_CODES
    return isinstance(error, ProbeError) and error.refused


def _exhausted(error: Exception) -> int | None:
    if isinstance(error, grpc.RpcError) and error.code() == grpc.StatusCode.UNAVAILABLE:
        return exhausted_in(error.details() or "")
    return exhausted(error)


def _sentence(error: Exception, wire: Wire) -> str:
    if isinstance(error, grpc.RpcError):
        said = quoted(error.details() or "", wire)
        return f"expected an answer, found gRPC {error.code().name}: {said}"
    if isinstance(error, ProbeError | AnswerError):
        return without_secrets(str(error), wire)
    return f"expected an answer, found {type(error).__name__}: {quoted(str(error), wire)}"


def read_counters(address: Address, timeout_s: float = TIMEOUT_S) -> dict[str, int | None]:
    """The fields of TimedCounters as the contender counts them now."""
    with open_probe(address, timeout_s) as probe:
        return probe.counters().model_dump()


def settled_counters(address: Address, within_s: float) -> dict[str, int | None] | None:
    """The counters once SETTLED_READINGS in a row agree: Triton counts a request after it has
    answered it. What comes later still is within the tolerance of the check that uses them.

    None for a service that does not speak the study's contract: it has none that are known here.
    """
    if address.name:
        return None
    deadline = time.monotonic() + within_s
    last, n_equal = read_counters(address, within_s), 1
    while n_equal < SETTLED_READINGS and time.monotonic() < deadline:
        time.sleep(SETTLED_EVERY_S)
        now = read_counters(address, within_s)
        last, n_equal = now, n_equal + 1 if now == last else 1
    return last
