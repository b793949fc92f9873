"""Nobody answers, or somebody else does: an error of its own by every way."""

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import grpc
import pytest

from servers.triton_service.client import (
    AsyncRouter,
    BusyError,
    LateError,
    Router,
    UnreachableError,
)

WAYS = [("grpc", False), ("http", False), ("grpc", True), ("http", True)]
OVER_HTTP = pytest.mark.parametrize(
    "way", [way for way in WAYS if way[0] == "http"], ids=["http", "http-async"]
)


@pytest.fixture(params=WAYS, ids=["grpc", "http", "grpc-async", "http-async"])
def way(request: pytest.FixtureRequest) -> tuple[str, bool]:
    found: tuple[str, bool] = request.param
    return found


def describe(way: tuple[str, bool], port: int, **terms: Any) -> Any:
    """Asks what the model echo is like."""
    protocol, is_async = way
    url = f"{protocol}://127.0.0.1:{port}"
    if not is_async:
        with Router(url) as router:
            return router.model("echo", **terms)

    async def ask() -> Any:
        async with AsyncRouter(url) as router:
            return await router.model("echo", **terms)

    return asyncio.run(ask())


@contextmanager
def listening(answer: Callable[[socket.socket], object]) -> Iterator[int]:
    """A port whose connections, one after the other, are given to answer."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                answer(connection)

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
    thread.join(10)


def test_a_port_without_a_server_is_unreachable(way: tuple[str, bool]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(UnreachableError) as refused:
        describe(way, port)
    assert str(refused.value).startswith(
        f"expected a Triton at {way[0]}://127.0.0.1:{port}, found none ("
    )
    assert str(refused.value).endswith("): see whether it runs, and the port.")


def test_a_server_that_hangs_up_is_unreachable(way: tuple[str, bool]) -> None:
    with listening(lambda connection: connection.close()) as port, pytest.raises(UnreachableError):
        describe(way, port)


def test_a_server_that_says_nothing_is_late(way: tuple[str, bool]) -> None:
    held: list[socket.socket] = []
    with listening(held.append) as port, pytest.raises(LateError) as late:
        describe(way, port, deadline_s=0.3)
    assert str(late.value) == (
        "model 'echo': expected an answer within 0.3 s, found none: allow more time, or ask for "
        "less."
    )
    for connection in held:
        connection.close()


@OVER_HTTP
def test_a_server_that_trickles_is_late(way: tuple[str, bool]) -> None:
    stop = threading.Event()

    def trickle(connection: socket.socket) -> None:
        with connection:
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
            while not stop.wait(0.05):
                try:
                    connection.sendall(b" ")
                except OSError:
                    return

    with listening(trickle) as port:
        with pytest.raises(LateError):
            describe(way, port, deadline_s=0.3)
        stop.set()


@pytest.mark.parametrize("status", [200, 404])
@OVER_HTTP
def test_a_web_server_is_no_triton(way: tuple[str, bool], status: int) -> None:
    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(b"<html>not found</html>")

        def log_message(self, *_: Any) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        with pytest.raises(UnreachableError) as refused:
            describe(way, server.server_port)
        server.shutdown()
        thread.join(10)
    assert str(refused.value).startswith(
        f"expected a Triton at http://127.0.0.1:{server.server_port}, found a service that answers "
        "otherwise ("
    )


@contextmanager
def grpc_server(*handlers: Any) -> Iterator[int]:
    server = grpc.server(ThreadPoolExecutor(1), handlers=handlers)
    port: int = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield port
    server.stop(None).wait(10)


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_a_grpc_server_without_tritons_methods_is_no_triton(is_async: bool) -> None:
    with (
        grpc_server() as port,
        pytest.raises(UnreachableError, match=r"answers otherwise \(gRPC UNIMPLEMENTED\)"),
    ):
        describe(("grpc", is_async), port)


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_a_grpc_server_whose_queue_is_full_is_there_and_busy(is_async: bool) -> None:
    def refuse(_: Any, context: grpc.ServicerContext) -> None:
        context.abort(grpc.StatusCode.UNAVAILABLE, "Exceeds maximum queue size")

    class Full(grpc.GenericRpcHandler):  # type: ignore[misc]
        def service(self, _: Any) -> Any:
            return grpc.unary_unary_rpc_method_handler(refuse)

    with grpc_server(Full()) as port, pytest.raises(BusyError, match="Exceeds maximum queue size"):
        describe(("grpc", is_async), port)
