"""HTTP and gRPC clients for code that runs inside Locust; import it after locust, which patches.

Both take a prepared body, send it over a kept-alive connection, never retry, and return the raw
reply, so that a request costs the load generator as little as possible.
"""

from typing import Protocol as Interface

import grpc
import grpc.experimental.gevent
from geventhttpclient import HTTPClient

from loadtests.traffic import GRPC_METHOD, HTTP_PATH
from servers.discovery import Protocol

# Without this call gRPC blocks the whole process on each request: one call at a time, with
# latencies that look perfect. It must come after gevent's patching and before any channel.
grpc.experimental.gevent.init_gevent()

_HEADERS = {"content-type": "application/json"}


class RequestFailedError(Exception):
    """status is what the record says: http_<code>, grpc_<CODE>, timeout or connection."""

    def __init__(self, status: str) -> None:
        super().__init__(status)
        self.status = status


class Client(Interface):
    """A pool of connections to one contender."""

    def send(self, body: bytes) -> bytes: ...
    def close(self) -> None: ...


class HttpClient:
    def __init__(self, host: str, port: int, timeout_s: float, connections: int) -> None:
        self._client = HTTPClient(
            host,
            port,
            concurrency=connections,
            connection_timeout=timeout_s,
            network_timeout=timeout_s,
        )

    def send(self, body: bytes) -> bytes:
        try:
            response = self._client.post(HTTP_PATH, body, _HEADERS)
            reply = bytes(response.read())
        except TimeoutError as error:
            raise RequestFailedError("timeout") from error
        except (OSError, ValueError) as error:  # geventhttpclient's parse errors are ValueErrors
            raise RequestFailedError("connection") from error
        if response.status_code != 200:
            raise RequestFailedError(f"http_{response.status_code}")
        return reply

    def close(self) -> None:
        self._client.close()


class GrpcClient:
    """One HTTP/2 connection; bodies are serialised requests, replies serialised responses."""

    def __init__(self, host: str, port: int, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._channel = grpc.insecure_channel(f"{host}:{port}")
        self._call = self._channel.unary_unary(GRPC_METHOD)

    def send(self, body: bytes) -> bytes:
        try:
            return bytes(self._call(body, timeout=self._timeout_s))
        except grpc.RpcError as error:
            code = error.code()
            late = code is grpc.StatusCode.DEADLINE_EXCEEDED
            raise RequestFailedError("timeout" if late else f"grpc_{code.name}") from error

    def close(self) -> None:
        # Left to the interpreter's shutdown, a channel under gevent blocks it for ever.
        self._channel.close()


def connect(protocol: Protocol, host: str, port: int, timeout_s: float, connections: int) -> Client:
    if protocol == "http-json":
        return HttpClient(host, port, timeout_s, connections)
    return GrpcClient(host, port, timeout_s)
