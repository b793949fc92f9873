"""The HTTP client against a server that says exactly what a test scripts, on real sockets."""

import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import gevent
import pytest

from loadtests.generator.clients.call import RequestFailedError
from loadtests.generator.clients.http_client import HttpClient
from loadtests.generator.clients.http_reply import MAX_HEAD_BYTES

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
EARLY = b"HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\n"


class ScriptedServer:
    """Answers each connection's requests as answer(connection number, request number, socket) does.

    requests holds the requests received, in order; connections how many were accepted.
    """

    def __init__(self, answer: Callable[[int, int, socket.socket], object]) -> None:
        self._answer = answer
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.requests: list[bytes] = []
        self.last: dict[socket.socket, bytes] = {}
        self.connections = 0
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                accepted, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(accepted)
            threading.Thread(
                target=self._serve, args=(self.connections, accepted), daemon=True
            ).start()

    def _serve(self, connection: int, accepted: socket.socket) -> None:
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        number = 0
        try:
            while request := _read_request(accepted):
                number += 1
                self.requests.append(request)
                self.last[accepted] = request
                self._answer(connection, number, accepted)
        except OSError:
            return  # the test's answer closed the connection, or the client did

    def close(self) -> None:
        for opened in (self._listener, *self._open):
            opened.close()


def _read_request(accepted: socket.socket) -> bytes:
    received = b""
    while b"\r\n\r\n" not in received:
        more = accepted.recv(65_536)
        if not more:
            return b""
        received += more
    head, _, body = received.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
    while len(body) < length:
        body += accepted.recv(65_536)
    return head + b"\r\n\r\n" + body


@pytest.fixture
def client_of() -> Iterator[Callable[..., Any]]:
    """A client of a scripted server, and that server."""
    made: list[Any] = []

    def make(answer: Any, timeout_s: float = 10.0) -> tuple[HttpClient, ScriptedServer]:
        says = answer if callable(answer) else lambda _c, _n, sock: sock.sendall(answer)
        server = ScriptedServer(says)
        client = HttpClient("127.0.0.1", server.port, timeout_s, "/predict", {"x-team": "a"})
        made.extend((client, server))
        return client, server

    yield make
    for each in made:
        each.close()


def status_of(client: HttpClient) -> str:
    with pytest.raises(RequestFailedError) as failure:
        client.send(b"{}")
    return failure.value.status


def test_the_body_is_posted_with_its_length_and_headers(client_of) -> None:
    client, server = client_of(OK)
    assert client.send(b'{"text": "hi"}') == b"hello"
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /predict HTTP/1.1\r\n")
    assert {b"content-length: 14", b"x-team: a"} <= set(head.split(b"\r\n"))
    assert body == b'{"text": "hi"}'


def test_a_wire_may_say_what_its_body_is() -> None:
    server = ScriptedServer(lambda _c, _n, sock: sock.sendall(OK))
    client = HttpClient("127.0.0.1", server.port, 10, "/", {"content-type": "application/a"})
    client.send(b"x")
    lines = server.requests[0].split(b"\r\n")
    assert [line for line in lines if line.startswith(b"content-type")] == [
        b"content-type: application/a"
    ]
    client.close()
    server.close()


def test_one_connection_is_kept_for_all_requests_of_one_caller(client_of) -> None:
    client, server = client_of(OK)
    assert [client.send(b"{}") for _ in range(20)] == [b"hello"] * 20
    assert server.connections == 1


@pytest.mark.parametrize(
    ("reply", "body"),
    [
        (OK, b"hello"),
        (
            b"HTTP/1.1 100 Continue\r\n\r\n" + EARLY + OK,
            b"hello",
        ),
        (CHUNKED + b"3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n", b"hello"),
        (CHUNKED + b"5\r\nhello\r\n0\r\nx-sum: 1\r\n\r\n", b"hello"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b""),
    ],
    ids=["plain", "after 1xx", "chunked", "chunked with trailers", "empty"],
)
def test_a_reply_split_into_single_bytes_is_read_like_a_whole_one(
    client_of, reply: bytes, body: bytes
) -> None:
    def drip(_connection: int, number: int, sock: socket.socket) -> None:
        pieces = [reply[i : i + 1] for i in range(len(reply))] if number == 1 else [reply]
        for piece in pieces:
            sock.sendall(piece)

    client, server = client_of(drip)
    assert [client.send(b"{}"), client.send(b"{}")] == [body, body]
    assert server.connections == 1


def test_a_large_request_and_a_large_reply_pass_whole(client_of) -> None:
    large = bytes(range(256)) * 40_000
    head = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(large)
    client, server = client_of(head + large)
    assert client.send(large) == large
    assert server.requests[0].endswith(large)


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nConnection: Close\r\n\r\n",
        EARLY + b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.0 200 OK\r\ncontent-length: 5\r\n\r\n",
    ],
    ids=["close with length", "close without length", "no length after 1xx", "HTTP/1.0"],
)
def test_where_the_server_closes_after_the_reply_the_next_request_opens_a_connection(
    client_of, head: bytes
) -> None:
    def answer(_connection: int, _number: int, sock: socket.socket) -> None:
        sock.sendall(head + b"hello")
        sock.shutdown(socket.SHUT_RDWR)

    client, server = client_of(answer)
    assert [client.send(b"{}"), client.send(b"{}")] == [b"hello", b"hello"]
    assert server.connections == 2


def test_a_connection_closed_while_pooled_is_replaced_before_anything_is_sent(client_of) -> None:
    closed = threading.Event()

    def answer_and_close(_connection: int, _number: int, sock: socket.socket) -> None:
        sock.sendall(OK)
        sock.shutdown(socket.SHUT_RDWR)
        closed.set()

    client, server = client_of(answer_and_close)
    for _ in range(3):
        closed.clear()
        assert client.send(b"{}") == b"hello"
        assert closed.wait(10)
    assert (server.connections, len(server.requests)) == (3, 3)


def test_bytes_nobody_asked_for_end_the_connection_and_answer_nothing(client_of) -> None:
    client, server = client_of(OK + b"HTTP/1.1 408 Request Timeout\r\n\r\n")
    assert [client.send(b"{}"), client.send(b"{}")] == [b"hello", b"hello"]
    assert server.connections == 2


@pytest.mark.parametrize("code", [404, 422, 429, 500, 503])
def test_an_error_status_is_named_and_its_connection_kept(client_of, code: int) -> None:
    client, server = client_of(b"HTTP/1.1 %d No\r\ncontent-length: 4\r\n\r\nbusy" % code)
    assert status_of(client) == status_of(client) == f"http_{code}"
    assert server.connections == 1


@pytest.mark.parametrize(
    "reply",
    [
        *(b"", OK[:20], OK[:-1], EARLY + OK[:20], CHUNKED + b"5\r\nhel"),
        OK.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n")[:-1],
        *(b"SSH-2.0-x\r\n\r\n", CHUNKED + b"zz\r\n\r\n"),
        CHUNKED.replace(b"\r\n\r\n", b"\r\ncontent-length: 5\r\n\r\n") + b"0\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n" + OK,
        b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n" + OK,
        CHUNKED.replace(b"chunked", b"chunked ") + b"5\r\nhel",
    ],
    ids=[
        *("nothing", "half a head", "half a body", "half a head after 1xx", "half a chunk"),
        *("half a last body", "not HTTP", "no chunk size", "two lengths", "another protocol"),
        *("another protocol, named", "half a chunk after a blank"),
    ],
)
def test_a_reply_cut_off_or_not_http_is_a_broken_connection_and_not_sent_again(
    client_of, reply: bytes
) -> None:
    def answer(_connection: int, _number: int, sock: socket.socket) -> None:
        sock.sendall(reply)
        sock.shutdown(socket.SHUT_RDWR)

    client, server = client_of(answer)
    assert status_of(client) == "connection"
    assert len(server.requests) == 1


@pytest.mark.parametrize("endless", [b"x: y\r\n", b"\r\n" + EARLY], ids=["head", "1xx"])
def test_a_head_without_end_is_given_up(client_of, endless: bytes) -> None:
    reply = EARLY[:-2] + endless * (1 + MAX_HEAD_BYTES // len(endless))
    client, server = client_of(reply)
    assert status_of(client) == "connection"
    assert len(server.requests) == 1


@pytest.mark.parametrize("reply", [b"", OK[:30], CHUNKED + b"5\r\nhel"])
def test_a_reply_that_does_not_come_is_a_timeout_and_its_connection_is_not_used_again(
    client_of, reply: bytes
) -> None:
    def answer(connection: int, _number: int, sock: socket.socket) -> None:
        sock.sendall(reply if connection == 1 else OK)

    client, server = client_of(answer, timeout_s=0.3)
    assert status_of(client) == "timeout"
    assert client.send(b"{}") == b"hello"
    assert server.connections == 2


def test_drops_of_a_reply_do_not_put_off_the_deadline(client_of) -> None:
    stop = threading.Event()

    def drip(_connection: int, _number: int, sock: socket.socket) -> None:
        sock.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 999999\r\n\r\n")
        while not stop.wait(0.01):
            sock.sendall(b"x")

    client, _ = client_of(drip, timeout_s=0.3)
    assert status_of(client) == "timeout"
    stop.set()


def test_nobody_listening_is_a_broken_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert status_of(HttpClient("127.0.0.1", port, 5.0, "/predict", {})) == "connection"


def test_callers_at_once_have_a_connection_each_and_their_own_replies(client_of) -> None:
    together = threading.Barrier(8, timeout=30)

    def echo(_connection: int, _number: int, sock: socket.socket) -> None:
        together.wait()  # so that all eight are open at once
        body = server.last[sock].partition(b"\r\n\r\n")[2]
        sock.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))

    client, server = client_of(echo)
    jobs = [gevent.spawn(client.send, b"caller %d" % k) for k in range(8)]
    gevent.joinall(jobs, timeout=30)
    assert [job.value for job in jobs] == [b"caller %d" % k for k in range(8)]
    assert server.connections == 8
