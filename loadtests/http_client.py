"""A lean HTTP/1.1 client over gevent: one prepared POST, kept-alive connections, no retries."""

import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import NamedTuple

from loadtests.gevent_socket import Connection, RequestFailedError

MAX_HEAD_BYTES = 65_536


class HttpClient:
    """POSTs bodies to one path of one server.

    A pooled connection that the server has closed is noticed before anything is sent on it; once
    a byte is out a request is never sent again. Any status but 200 is a failure.
    """

    def __init__(
        self, host: str, port: int, timeout_s: float, path: str, headers: Mapping[str, str]
    ) -> None:
        self._host, self._port, self._timeout_s = host, port, timeout_s
        given = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self._head = (
            f"POST {path} HTTP/1.1\r\nhost: {host}:{port}\r\n"
            f"content-type: application/json\r\n{given}content-length: "
        ).encode("latin-1")
        self._idle: list[Connection] = []

    def send(self, body: bytes) -> bytes:
        """The body of the reply; the connection is opened within the same timeout."""
        until_s = time.monotonic() + self._timeout_s
        connection = self._connection()
        try:
            connection.send(b"%b%d\r\n\r\n%b" % (self._head, len(body), body))
            reply = read_reply(lambda: connection.receive(until_s - time.monotonic()))
        except ValueError as error:
            connection.close()
            raise RequestFailedError("connection") from error
        except BaseException:
            connection.close()
            raise
        if reply.keep_alive:
            self._idle.append(connection)
        else:
            connection.close()
        if reply.status != 200:
            raise RequestFailedError(f"http_{reply.status}")
        return reply.body

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()

    def _connection(self) -> Connection:
        while self._idle:
            connection = self._idle.pop()  # the one used last: the least likely to be closed
            if connection.reusable():
                return connection
            connection.close()
        return Connection(self._host, self._port, self._timeout_s)


class Reply(NamedTuple):
    """keep_alive: whether the next request may use the same connection."""

    status: int
    keep_alive: bool
    body: bytes


class _Head(NamedTuple):
    """length_bytes None: the body is chunked, or else lasts until the server closes."""

    status: int
    keep_alive: bool
    chunked: bool
    length_bytes: int | None


def read_reply(receive: Callable[[], bytes]) -> Reply:
    """Reads one reply, however its bytes are split; receive gives the next, none at the end.

    ValueError for what is not HTTP/1, or ends early.
    """
    stream = _Stream(receive)
    head = _parse_head(stream.until(b"\r\n\r\n"))
    while head.status < 200:
        if head.status == 101:
            raise ValueError("expected a reply, found a change of the protocol")
        head = _parse_head(stream.until(b"\r\n\r\n"))
    if head.chunked:
        body = _read_chunks(stream)
    elif head.length_bytes is not None:
        body = stream.exactly(head.length_bytes)
    else:
        return Reply(head.status, False, stream.rest())
    return Reply(head.status, head.keep_alive and stream.empty(), body)


class _Stream:
    def __init__(self, receive: Callable[[], bytes]) -> None:
        self._receive = receive
        self._received = b""

    def until(self, end: bytes) -> bytes:
        """Everything before end, which is left out."""
        while (at := self._received.find(end)) < 0:
            if len(self._received) > MAX_HEAD_BYTES:
                raise ValueError(f"expected {end!r} within {MAX_HEAD_BYTES} bytes")
            self._received += self._more()
        found, self._received = self._received[:at], self._received[at + len(end) :]
        return found

    def exactly(self, size_bytes: int) -> bytes:
        pieces, missing = [self._received], size_bytes - len(self._received)
        while missing > 0:
            pieces.append(self._more())
            missing -= len(pieces[-1])
        whole = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        self._received = whole[size_bytes:]
        return whole[:size_bytes]

    def rest(self) -> bytes:
        pieces = [self._received]
        while more := self._receive():
            pieces.append(more)
        return b"".join(pieces)

    def empty(self) -> bool:
        return not self._received

    def _more(self) -> bytes:
        more = self._receive()
        if not more:
            raise ValueError("expected the rest of the reply, found the connection closed")
        return more


@lru_cache(maxsize=256)  # a server's heads differ in the date and a few lengths
def _parse_head(head: bytes) -> _Head:
    version, status = head[:8], head[9:12]
    if version not in (b"HTTP/1.1", b"HTTP/1.0") or not status.isdigit() or head[8:9] != b" ":
        raise ValueError(f"expected the head of an HTTP/1 reply, found {head[:80]!r}")
    code, lower = int(status), head.lower()
    connection = _header(lower, b"connection")
    keep_alive = b"close" not in connection
    if version == b"HTTP/1.0":
        keep_alive = b"keep-alive" in connection
    if code in (204, 304) or code < 200:
        return _Head(code, keep_alive, False, 0)
    encoding, length = _header(lower, b"transfer-encoding"), _header(lower, b"content-length")
    if encoding:  # outranks a length (RFC 9112, section 6.3)
        return _Head(code, keep_alive, encoding.endswith(b"chunked"), None)
    if length and not length.isdigit():
        raise ValueError(f"expected a length in bytes, found {length!r}")
    return _Head(code, keep_alive, False, int(length) if length else None)


def _header(lower_head: bytes, name: bytes) -> bytes:
    """The value of the first header of that name, in small letters; empty where there is none."""
    start = lower_head.find(b"\r\n" + name + b":")
    if start < 0:
        return b""
    start += len(name) + 3
    end = lower_head.find(b"\r\n", start)
    return lower_head[start : end if end >= 0 else None].strip()


def _read_chunks(stream: _Stream) -> bytes:
    pieces = []
    while size := int(stream.until(b"\r\n").split(b";", 1)[0], 16):
        pieces.append(stream.exactly(size))
        if stream.exactly(2) != b"\r\n":
            raise ValueError("expected the end of a chunk")
    while stream.until(b"\r\n"):
        pass  # trailers
    return b"".join(pieces)
