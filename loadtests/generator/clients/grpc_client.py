"""A lean client of one unary gRPC method: serialised bytes in and out, no retries."""

import time
from collections import deque
from collections.abc import Mapping

import gevent

from loadtests.generator.clients.call import Call, LeanClient, RequestFailedError
from loadtests.generator.clients.grpc_connection import GrpcConnection
from servers.http2 import Headers


class GrpcClient(LeanClient):
    """Calls share a connection; another one is opened when the server takes no more on it.

    Waiting for a free stream inside the client would be charged to the server as its latency.
    """

    def __init__(
        self, host: str, port: int, timeout_s: float, method: str, headers: Mapping[str, str]
    ) -> None:
        super().__init__(host, port, timeout_s)
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
        self._waiting: deque[Call] = deque()  # for a connection that has room
        self._opening = False

    def begin(self, call: Call) -> None:
        for connection in self._connections:
            if connection.has_room():
                connection.carry(call)
                return
        self._waiting.append(call)
        # One at a time: calls that come while a connection opens can share it.
        if not self._opening:
            self._opening = True
            gevent.spawn(self._open_for_waiting)

    def give_up(self, call: Call) -> None:
        if isinstance(call.carrier, GrpcConnection):
            call.carrier.cancel(call.stream_id)

    def close(self) -> None:
        super().close()
        while self._connections:
            self._connections.pop().close()

    def _open_for_waiting(self) -> None:
        while self._waiting:
            left_s = max(0.001, self._waiting[0].until_s - time.monotonic())
            try:
                opened = GrpcConnection(self.host, self.port, self._headers, left_s)
            except RequestFailedError as error:
                self._waiting.popleft().finish(error)
                continue
            self._connections = [c for c in self._connections if not c.closed] + [opened]
            while self._waiting and opened.has_room():
                call = self._waiting.popleft()
                if call.open:
                    opened.carry(call)
        self._opening = False
