"""One HTTP/2 connection that carries many unary gRPC calls at once."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import gevent.event

from loadtests.generator.clients.call import Call, Outcome, RequestFailedError
from loadtests.generator.clients.gevent_socket import Connection
from servers import http2

CONNECTION_WINDOW_BYTES = 2**24
STREAM_WINDOW_BYTES = 2**22
"""What the server may send before it is told that it was read."""

_PREFIX_BYTES = 5
"""Before each message: one byte that says whether it is compressed, four with its length."""


@dataclass(slots=True)
class _Stream:
    call: Call
    window_bytes: int
    unsent: bytes
    http_status: str = ""
    pieces: list[bytes] = field(default_factory=list)
    unacknowledged_bytes: int = 0


class GrpcConnection:
    """Opened when constructed, by a greenlet that can wait; RequestFailedError where that fails.

    accepting turns False when the server is about to close, when stream ids are used up or when
    the connection broke: calls that are open go on where they can.
    """

    def __init__(self, host: str, port: int, headers: http2.Headers, timeout_s: float) -> None:
        until_s = time.monotonic() + timeout_s
        self._headers = headers
        self._frames, self._decoder = http2.FrameReader(), http2.HeaderDecoder()
        self._encoder = http2.HeaderEncoder(http2.DEFAULT_TABLE_BYTES)
        self._streams: dict[int, _Stream] = {}
        self._waiting: dict[int, _Stream] = {}  # those of them that the windows hold up
        self._next_stream_id = 1
        self._peer: dict[int, int] = {}
        self._window_bytes = http2.DEFAULT_WINDOW_BYTES
        self._unacknowledged_bytes = 0
        self._greeted = gevent.event.Event()
        self.accepting, self.closed = True, False
        self._connection = Connection(host, port, timeout_s, self._on_bytes)
        self._connection.send(_greeting())
        # The server's settings say how many calls it takes: none may go out before.
        if not self._greeted.wait(max(0.0, until_s - time.monotonic())):
            self.close()
            raise RequestFailedError("timeout")
        if self.closed:
            raise RequestFailedError(self._connection.lost_as)

    def has_room(self) -> bool:
        """Whether the server takes one more call on this connection."""
        return self.accepting and len(self._streams) < self._setting(
            http2.MAX_CONCURRENT_STREAMS, http2.LAST_STREAM_ID
        )

    def carry(self, call: Call) -> None:
        """Sends the call's serialised request; it ends with the serialised response."""
        message = b"\0" + len(call.body).to_bytes(4, "big") + call.body
        stream_id = self._next_stream_id
        self._next_stream_id += 2
        window_bytes = self._setting(http2.INITIAL_WINDOW_SIZE, http2.DEFAULT_WINDOW_BYTES)
        stream = _Stream(call, window_bytes, message)
        call.carrier, call.stream_id = self, stream_id
        self._streams[stream_id] = stream
        block = self._encoder.encode(self._headers)
        head = http2.frame(http2.HEADERS, http2.END_HEADERS, stream_id, block)
        self._connection.send(head + self._next_data(stream_id, stream))
        if stream.unsent:
            self._waiting[stream_id] = stream
        if self._next_stream_id > http2.LAST_STREAM_ID:
            self.accepting = False

    def cancel(self, stream_id: int) -> None:
        """Tells the server that nobody waits for this call any more."""
        if self._streams.pop(stream_id, None):
            self._reset(stream_id)

    def close(self) -> None:
        """Ends its calls, too."""
        self.accepting, self.closed = False, True
        self._connection.close()
        self._waiting.clear()
        for stream_id in tuple(self._streams):
            self._finish(stream_id, RequestFailedError(self._connection.lost_as))
        self._greeted.set()

    def _setting(self, name: int, default: int) -> int:
        return self._peer.get(name, default)

    def _next_data(self, stream_id: int, stream: _Stream) -> bytes:
        """As much of what is unsent as the server's windows take now."""
        frames = []
        largest = self._setting(http2.MAX_FRAME_SIZE, http2.DEFAULT_FRAME_BYTES)
        while (
            size := min(len(stream.unsent), self._window_bytes, stream.window_bytes, largest)
        ) > 0:
            piece, stream.unsent = stream.unsent[:size], stream.unsent[size:]
            self._window_bytes -= size
            stream.window_bytes -= size
            flags = 0 if stream.unsent else http2.END_STREAM
            frames.append(http2.frame(http2.DATA, flags, stream_id, piece))
        return b"".join(frames)

    def _send_what_waited(self) -> None:
        for stream_id, stream in tuple(self._waiting.items()):
            self._connection.send(self._next_data(stream_id, stream))
            if not stream.unsent:
                del self._waiting[stream_id]

    def _on_bytes(self, data: bytes) -> None:
        try:
            for frame in self._frames.feed(data):
                self._handle(frame)
        except http2.Http2Error:
            data = b""  # what follows cannot be understood, either
        if not data or not (self.accepting or self._streams):
            self.close()

    def _handle(self, frame: http2.Frame) -> None:
        if frame.kind == http2.DATA:
            self._on_data(frame)
        elif frame.kind == http2.HEADERS:
            self._on_headers(frame)
        elif frame.kind == http2.WINDOW_UPDATE:
            self._on_window(frame.stream_id, http2.parse_u31(frame.payload))
        elif frame.kind == http2.PING and not frame.flags & http2.ACK:
            self._connection.send(http2.frame(http2.PING, http2.ACK, 0, frame.payload))
        elif frame.kind == http2.SETTINGS and not frame.flags & http2.ACK:
            self._on_settings(http2.parse_settings(frame.payload))
        elif frame.kind == http2.RST_STREAM:
            code = http2.parse_u31(frame.payload)
            name = _RESET_CODES.get(code, "INTERNAL")
            self._finish(frame.stream_id, RequestFailedError(f"grpc_{name}"))
        elif frame.kind == http2.GOAWAY:
            self._on_goaway(http2.parse_u31(frame.payload))

    def _on_data(self, frame: http2.Frame) -> None:
        self._unacknowledged_bytes += frame.size_bytes
        if self._unacknowledged_bytes > CONNECTION_WINDOW_BYTES // 2:
            self._connection.send(http2.window_update(0, self._unacknowledged_bytes))
            self._unacknowledged_bytes = 0
        stream = self._streams.get(frame.stream_id)
        if stream is None:
            return
        stream.pieces.append(frame.payload)
        stream.unacknowledged_bytes += frame.size_bytes
        if frame.flags & http2.END_STREAM:
            self._finish(
                frame.stream_id, RequestFailedError("grpc_UNKNOWN")
            )  # no trailers: no status
        elif stream.unacknowledged_bytes > STREAM_WINDOW_BYTES // 2:
            update = http2.window_update(frame.stream_id, stream.unacknowledged_bytes)
            self._connection.send(update)
            stream.unacknowledged_bytes = 0

    def _on_headers(self, frame: http2.Frame) -> None:
        headers = self._decoder.decode(frame.payload)  # of ended streams too: they fill the table
        stream = self._streams.get(frame.stream_id)
        if stream is None:
            return
        stream.http_status = headers.get(":status", stream.http_status)
        if frame.flags & http2.END_STREAM:
            self._finish(frame.stream_id, _outcome(headers, stream))

    def _on_window(self, stream_id: int, size_bytes: int) -> None:
        stream = self._streams.get(stream_id)
        if stream_id == 0:
            self._window_bytes += size_bytes
        elif stream:
            stream.window_bytes += size_bytes
        self._send_what_waited()

    def _on_settings(self, settings: Mapping[int, int]) -> None:
        before = self._setting(http2.INITIAL_WINDOW_SIZE, http2.DEFAULT_WINDOW_BYTES)
        table_bytes = self._setting(http2.HEADER_TABLE_SIZE, http2.DEFAULT_TABLE_BYTES)
        self._peer.update(settings)
        for stream in self._streams.values():
            now = self._setting(http2.INITIAL_WINDOW_SIZE, http2.DEFAULT_WINDOW_BYTES)
            stream.window_bytes += now - before
        self._connection.send(http2.frame(http2.SETTINGS, http2.ACK, 0))
        new_table_bytes = self._setting(http2.HEADER_TABLE_SIZE, http2.DEFAULT_TABLE_BYTES)
        if not self._greeted.is_set():
            self._encoder = http2.HeaderEncoder(new_table_bytes)
            self._greeted.set()
        elif new_table_bytes < table_bytes:
            self.accepting = False  # its header blocks no longer fit: a new connection's will
        self._send_what_waited()

    def _on_goaway(self, last_stream_id: int) -> None:
        self.accepting = False
        for stream_id in [known for known in self._streams if known > last_stream_id]:
            self._finish(stream_id, RequestFailedError("connection"))

    def _finish(self, stream_id: int, outcome: Outcome) -> None:
        stream = self._streams.pop(stream_id, None)
        if stream is None:
            return
        if stream_id in self._waiting:
            self._reset(stream_id)  # answered before it was all sent
        stream.call.finish(outcome)

    def _reset(self, stream_id: int) -> None:
        self._waiting.pop(stream_id, None)
        code = http2.CANCEL.to_bytes(4, "big")
        self._connection.send(http2.frame(http2.RST_STREAM, 0, stream_id, code))


def _greeting() -> bytes:
    settings = {http2.ENABLE_PUSH: 0, http2.INITIAL_WINDOW_SIZE: STREAM_WINDOW_BYTES}
    grown = http2.window_update(0, CONNECTION_WINDOW_BYTES - http2.DEFAULT_WINDOW_BYTES)
    return http2.PREFACE + http2.settings_frame(settings) + grown


def _outcome(headers: Mapping[str, str], stream: _Stream) -> Outcome:
    code = headers.get("grpc-status")
    if code is None:
        http = stream.http_status
        return RequestFailedError(f"http_{http}" if http != "200" else "grpc_UNKNOWN")
    if code == "0":
        return _unframed(b"".join(stream.pieces))
    name = GRPC_CODES[int(code)] if code.isdigit() and int(code) < len(GRPC_CODES) else "UNKNOWN"
    return RequestFailedError("timeout" if name == "DEADLINE_EXCEEDED" else f"grpc_{name}")


def _unframed(reply: bytes) -> Outcome:
    if reply[:1] == b"\0" and int.from_bytes(reply[1:5], "big") == len(reply) - _PREFIX_BYTES:
        return reply[_PREFIX_BYTES:]
    return RequestFailedError("grpc_INTERNAL")  # not one message, or a compressed one


GRPC_CODES = (
    *("OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND"),
    *("ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION"),
    *("ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"),
    "UNAUTHENTICATED",
)

_RESET_CODES = {
    0x7: "UNAVAILABLE",
    0x8: "CANCELLED",
    0xB: "RESOURCE_EXHAUSTED",
    0xC: "PERMISSION_DENIED",
}
"""gRPC's reading of RST_STREAM codes (PROTOCOL-HTTP2.md, "Errors"); all others are INTERNAL."""
