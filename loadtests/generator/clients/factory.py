"""The door to the clients of the load generator: prepared bodies in, raw replies out.

They work on gevent's event loop and belong into Locust's processes.
"""

from loadtests.generator.clients.call import LeanClient, OnDone, Outcome, RequestFailedError
from loadtests.generator.clients.grpc_client import GrpcClient
from loadtests.generator.clients.http_client import HttpClient
from loadtests.wire.formats import GRPC_METHOD, JsonWire, Wire
from loadtests.wire.headers import resolved_headers

__all__ = ["LeanClient", "OnDone", "Outcome", "RequestFailedError", "connect"]


def connect(wire: Wire, host: str, port: int, timeout_s: float) -> LeanClient:
    """A client of the contender that speaks wire at host and port."""
    headers = resolved_headers(wire)
    if isinstance(wire, JsonWire):
        return HttpClient(host, port, timeout_s, wire.path, headers)
    return GrpcClient(host, port, timeout_s, GRPC_METHOD, headers)
