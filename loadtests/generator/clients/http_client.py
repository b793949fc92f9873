"""A lean HTTP/1.1 client: one prepared POST, kept-alive connections, no retries."""

import time
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

import gevent

from loadtests.generator.clients.call import Call, LeanClient, RequestFailedError
from loadtests.generator.clients.gevent_socket import Connection

MAX_HEAD_BYTES = 65_536


class HttpClient(LeanClient):
    """POSTs bodies to one path of one server.

    A pooled connection that the server has closed is noticed before anything is sent on it; once
    a byte is out a request is never sent again. Any status but 200 is a failure.
    """

    def __init__(
        self, host: str, port: int, timeout_s: float, path: str, headers: Mapping[str, str]
    ) -> None:
        super().__init__(host, port, timeout_s)
        given = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self._head = (
            f"POST {path} HTTP/1.1\r\nhost: {host}:{port}\r\n"
            f"content-type: application/json\r\n{given}content-length: "
        ).encode("latin-1")
        self.idle: list[_Lane] = []

    def begin(self, call: Call) -> None:
        while self.idle:
            lane = self.idle.pop()  # the one used last: the least likely to be closed
            if lane.connection.reusable():
                lane.carry(call, self._content(call))
                return
            lane.connection.close()
        gevent.spawn(self._open_for, call)

    def give_up(self, call: Call) -> None:
        if isinstance(call.carrier, _Lane):
            call.carrier.connection.close()

    def close(self) -> None:
        super().close()
        while self.idle:
            self.idle.pop().connection.close()

    def _open_for(self, call: Call) -> None:
        try:
            lane = _Lane(self, max(0.001, call.until_s - time.monotonic()))
        except RequestFailedError as error:
            call.finish(error)
            return
        if call.open:
            lane.carry(call, self._content(call))
        else:
            self.idle.append(lane)

    def _content(self, call: Call) -> bytes:
        return b"%b%d\r\n\r\n%b" % (self._head, len(call.body), call.body)


class _Lane:
    """A connection and the call that it carries, if any."""

    def __init__(self, client: HttpClient, timeout_s: float) -> None:
        self._client = client
        self._call: Call | None = None
        self._received = bytearray()
        self.connection = Connection(client.host, client.port, timeout_s, self._on_bytes)

    def carry(self, call: Call, content: bytes) -> None:
        call.carrier = self
        self._call = call
        self.connection.send(content)

    def _on_bytes(self, data: bytes) -> None:
        call = self._call
        if call is None:
            self.connection.close()  # closed by the server, or something unasked
            return
        if self._received:
            self._received += data
        try:
            reply = parse_reply(self._received or data, ended=not data)
        except ValueError:
            self.connection.close()
            call.finish(RequestFailedError(self.connection.lost_as))
            return
        if reply is None:
            self._received = self._received or bytearray(data)
            return
        self._call = None
        self._received.clear()
        if reply.keep_alive:
            self._client.idle.append(self)
        else:
            self.connection.close()
        ok = reply.status == 200
        call.finish(reply.body if ok else RequestFailedError(f"http_{reply.status}"))


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


class _IncompleteError(Exception):
    """More bytes must come."""


def parse_reply(received: bytes | bytearray, ended: bool) -> Reply | None:
    """The reply that all bytes received since the request make up; None where more must come.

    ended: whether the server has closed the connection. ValueError for what is not HTTP/1, or
    ended early.
    """
    try:
        return _parse(received, ended)
    except _IncompleteError:
        if ended:
            raise ValueError("expected the rest of the reply, found it closed") from None
        return None


def _parse(received: bytes | bytearray, ended: bool) -> Reply:
    head, start = _head(received, 0)
    while head.status < 200:
        if head.status == 101:
            raise ValueError("expected a reply, found a change of the protocol")
        head, start = _head(received, start)
    if head.chunked:
        body, end = _chunks(received, start)
    elif head.length_bytes is not None:
        end = start + head.length_bytes
        if len(received) < end:
            raise _IncompleteError
        body = bytes(received[start:end])
    elif ended:
        return Reply(head.status, False, bytes(received[start:]))
    else:
        raise _IncompleteError
    return Reply(head.status, head.keep_alive and not ended and end == len(received), body)


def _head(received: bytes | bytearray, start: int) -> tuple[_Head, int]:
    head, end = _until(b"\r\n\r\n", received, start)
    return _parse_head(head), end


def _until(mark: bytes, received: bytes | bytearray, start: int) -> tuple[bytes, int]:
    """What stands before the mark, and where what follows the mark begins."""
    end = received.find(mark, start)
    if end < 0:
        if len(received) - start > MAX_HEAD_BYTES:
            raise ValueError(f"expected {mark!r} within {MAX_HEAD_BYTES} bytes")
        raise _IncompleteError
    return bytes(received[start:end]), end + len(mark)


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


def _chunks(received: bytes | bytearray, start: int) -> tuple[bytes, int]:
    """The body, and where it ends."""
    pieces = []
    line, start = _until(b"\r\n", received, start)
    while size := int(line.split(b";", 1)[0], 16):
        end = start + size
        if len(received) < end + 2:
            raise _IncompleteError
        if received[end : end + 2] != b"\r\n":
            raise ValueError("expected the end of a chunk")
        pieces.append(bytes(received[start:end]))
        line, start = _until(b"\r\n", received, end + 2)
    while line := _until(b"\r\n", received, start)[0]:
        start += len(line) + 2  # trailers
    return b"".join(pieces), start + 2
