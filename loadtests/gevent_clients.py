"""The door to the clients of the load generator: prepared bodies in, raw replies out.

They work on gevent's event loop and belong into Locust's processes.
"""

from typing import Protocol

from loadtests.gevent_socket import RequestFailedError
from loadtests.grpc_client import GrpcClient
from loadtests.http_client import HttpClient
from loadtests.wire import GRPC_METHOD, JsonWire, Wire, resolved_headers

__all__ = ["Client", "RequestFailedError", "connect"]


class Client(Protocol):
    """Kept-alive connections to one contender, opened as requests need them.

    send raises RequestFailedError, after at most the timeout; nothing is ever sent again.
    """

    def send(self, body: bytes) -> bytes: ...
    def close(self) -> None: ...


def connect(wire: Wire, host: str, port: int, timeout_s: float) -> Client:
    """A client of the contender that speaks wire at host and port."""
    headers = resolved_headers(wire)
    if isinstance(wire, JsonWire):
        return HttpClient(host, port, timeout_s, wire.path, headers)
    return GrpcClient(host, port, timeout_s, GRPC_METHOD, headers)
