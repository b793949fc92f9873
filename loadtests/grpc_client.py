"""A lean client of one unary gRPC method over gevent: serialised bytes in and out, no retries."""

import time
from collections.abc import Mapping

from gevent.lock import BoundedSemaphore

from loadtests.gevent_socket import RequestFailedError
from loadtests.grpc_connection import GrpcConnection
from servers.http2 import Headers

_PREFIX_BYTES = 5
"""Before each message: one byte that says whether it is compressed, four with its length."""


class GrpcClient:
    """Calls share a connection; another one is opened when the server takes no more on it.

    Waiting for a free stream inside the client would be charged to the server as its latency.
    """

    def __init__(
        self, host: str, port: int, timeout_s: float, method: str, headers: Mapping[str, str]
    ) -> None:
        self._host, self._port, self._timeout_s = host, port, timeout_s
        self._headers: Headers = (
            (":method", "POST"),
            (":scheme", "http"),
            (":path", method),
            (":authority", f"{host}:{port}"),
            ("te", "trailers"),
            ("content-type", "application/grpc"),
            ("user-agent", "model-serving-study"),
            ("grpc-timeout", f"{round(timeout_s * 1000)}m"),
            *headers.items(),
        )
        self._connections: list[GrpcConnection] = []
        self._opening = BoundedSemaphore()

    def send(self, body: bytes) -> bytes:
        """The serialised response to a serialised request."""
        until_s = time.monotonic() + self._timeout_s
        connection = self._with_room() or self._open(until_s)
        message = b"\0" + len(body).to_bytes(4, "big") + body
        outcome = connection.call(message, until_s - time.monotonic())
        if outcome.status != "ok":
            raise RequestFailedError(outcome.status)
        reply = outcome.reply
        if reply[:1] != b"\0" or int.from_bytes(reply[1:5], "big") != len(reply) - _PREFIX_BYTES:
            raise RequestFailedError("grpc_INTERNAL")  # not one message, or a compressed one
        return reply[_PREFIX_BYTES:]

    def close(self) -> None:
        while self._connections:
            self._connections.pop().close()

    def _with_room(self) -> GrpcConnection | None:
        for connection in self._connections:
            if connection.has_room():
                return connection
        return None

    def _open(self, until_s: float) -> GrpcConnection:
        # One at a time: requests that come while the first connection opens can share it.
        if not self._opening.acquire(timeout=max(0.0, until_s - time.monotonic())):
            raise RequestFailedError("timeout")
        try:
            opened = self._with_room()
            if opened is None:
                left_s = max(0.001, until_s - time.monotonic())
                opened = GrpcConnection(self._host, self._port, self._headers, left_s)
                self._connections = [c for c in self._connections if not c.closed] + [opened]
            return opened
        finally:
            self._opening.release()
