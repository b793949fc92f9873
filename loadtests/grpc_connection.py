"""One HTTP/2 connection that carries many unary gRPC calls at once, over gevent."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import gevent
import gevent.event
import gevent.hub

from loadtests.gevent_socket import Connection, RequestFailedError
from servers import http2

CONNECTION_WINDOW_BYTES = 2**24
STREAM_WINDOW_BYTES = 2**22
"""What the server may send before it is told that it was read."""


@dataclass(frozen=True)
class Outcome:
    """status is ok, or as in RequestFailedError; reply the bytes of the response stream."""

    status: str
    reply: bytes = b""


_LATE, _BROKEN = Outcome("timeout"), Outcome("connection")


@dataclass(slots=True)
class _Call:
    waiter: "gevent.hub.Waiter[Outcome]"
    window_bytes: int
    unsent: bytes = b""
    http_status: str = ""
    pieces: list[bytes] = field(default_factory=list)
    unacknowledged_bytes: int = 0


class GrpcConnection:
    """Opened when constructed; RequestFailedError where that fails within the timeout.

    accepting turns False when the server is about to close, when stream ids are used up or when
    the connection broke: calls that are open go on where they can.
    """

    def __init__(self, host: str, port: int, headers: http2.Headers, timeout_s: float) -> None:
        until_s = time.monotonic() + timeout_s
        self._headers = headers
        self._connection = Connection(host, port, timeout_s)
        self._hub = gevent.get_hub()
        self._frames, self._decoder = http2.FrameReader(), http2.HeaderDecoder()
        self._encoder = http2.HeaderEncoder(http2.DEFAULT_TABLE_BYTES)
        self._calls: dict[int, _Call] = {}
        self._waiting: dict[int, _Call] = {}  # those of them that the windows hold up
        self._next_stream_id = 1
        self._peer: dict[int, int] = {}
        self._window_bytes = http2.DEFAULT_WINDOW_BYTES
        self._unacknowledged_bytes = 0
        self._greeted = gevent.event.Event()
        self.accepting = True
        self._connection.send(_greeting())
        self._reader = gevent.spawn(self._read)
        # The server's settings say how many streams it takes: no request may go out before.
        if not self._greeted.wait(max(0.0, until_s - time.monotonic())):
            self.close()
            raise RequestFailedError("timeout")
        if not self.accepting:
            raise RequestFailedError("connection")

    def has_room(self) -> bool:
        """Whether the server takes one more call on this connection."""
        return self.accepting and len(self._calls) < self._setting(
            http2.MAX_CONCURRENT_STREAMS, http2.LAST_STREAM_ID
        )

    def call(self, message: bytes, within_s: float) -> Outcome:
        """Sends a message, with its gRPC prefix, and waits for the outcome."""
        stream_id = self._next_stream_id
        self._next_stream_id += 2
        if self._next_stream_id > http2.LAST_STREAM_ID:
            self.accepting = False
        window_bytes = self._setting(http2.INITIAL_WINDOW_SIZE, http2.DEFAULT_WINDOW_BYTES)
        call = _Call(gevent.hub.Waiter(self._hub), window_bytes, message)
        self._calls[stream_id] = call
        timer = self._hub.loop.timer(max(0.0, within_s))
        timer.start(call.waiter.switch, _LATE)
        try:
            block = self._encoder.encode(self._headers)
            head = http2.frame(http2.HEADERS, http2.END_HEADERS, stream_id, block)
            self._connection.send(head + self._next_data(stream_id, call))
            if call.unsent:
                self._waiting[stream_id] = call
            outcome = call.waiter.get()
        finally:
            timer.stop()
            timer.close()
            if self._calls.pop(stream_id, None):
                self._cancel(stream_id)
        return outcome

    @property
    def closed(self) -> bool:
        return bool(self._reader.dead)

    def close(self) -> None:
        self.accepting = False
        self._reader.kill()

    def _setting(self, name: int, default: int) -> int:
        return self._peer.get(name, default)

    def _next_data(self, stream_id: int, call: _Call) -> bytes:
        """As much of what is unsent as the server's windows take now."""
        frames = []
        largest = self._setting(http2.MAX_FRAME_SIZE, http2.DEFAULT_FRAME_BYTES)
        while (size := min(len(call.unsent), self._window_bytes, call.window_bytes, largest)) > 0:
            piece, call.unsent = call.unsent[:size], call.unsent[size:]
            self._window_bytes -= size
            call.window_bytes -= size
            flags = 0 if call.unsent else http2.END_STREAM
            frames.append(http2.frame(http2.DATA, flags, stream_id, piece))
        return b"".join(frames)

    def _send_what_waited(self) -> None:
        for stream_id, call in tuple(self._waiting.items()):
            self._connection.send(self._next_data(stream_id, call))
            if not call.unsent:
                del self._waiting[stream_id]

    def _read(self) -> None:
        try:
            while self.accepting or self._calls:
                data = self._connection.receive(None)
                if not data:
                    break
                for frame in self._frames.feed(data):
                    self._handle(frame)
        except (RequestFailedError, http2.Http2Error):
            pass  # a broken connection: said below to everybody who waits on it
        finally:
            self.accepting = False
            self._waiting.clear()
            for stream_id in tuple(self._calls):
                self._finish(stream_id, _BROKEN)
            self._connection.close()
            self._greeted.set()

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
            self._finish(frame.stream_id, Outcome(f"grpc_{_RESET_CODES.get(code, 'INTERNAL')}"))
        elif frame.kind == http2.GOAWAY:
            self._on_goaway(http2.parse_u31(frame.payload))

    def _on_data(self, frame: http2.Frame) -> None:
        self._unacknowledged_bytes += frame.size_bytes
        if self._unacknowledged_bytes > CONNECTION_WINDOW_BYTES // 2:
            self._connection.send(http2.window_update(0, self._unacknowledged_bytes))
            self._unacknowledged_bytes = 0
        call = self._calls.get(frame.stream_id)
        if call is None:
            return
        call.pieces.append(frame.payload)
        call.unacknowledged_bytes += frame.size_bytes
        if frame.flags & http2.END_STREAM:
            self._finish(frame.stream_id, Outcome("grpc_UNKNOWN"))  # no trailers: no status
        elif call.unacknowledged_bytes > STREAM_WINDOW_BYTES // 2:
            update = http2.window_update(frame.stream_id, call.unacknowledged_bytes)
            self._connection.send(update)
            call.unacknowledged_bytes = 0

    def _on_headers(self, frame: http2.Frame) -> None:
        headers = self._decoder.decode(frame.payload)  # of ended streams too: they fill the table
        call = self._calls.get(frame.stream_id)
        if call is None:
            return
        call.http_status = headers.get(":status", call.http_status)
        if frame.flags & http2.END_STREAM:
            status = _status(headers, call.http_status)
            self._finish(frame.stream_id, Outcome(status, b"".join(call.pieces)))

    def _on_window(self, stream_id: int, size_bytes: int) -> None:
        call = self._calls.get(stream_id)
        if stream_id == 0:
            self._window_bytes += size_bytes
        elif call:
            call.window_bytes += size_bytes
        self._send_what_waited()

    def _on_settings(self, settings: Mapping[int, int]) -> None:
        before = self._setting(http2.INITIAL_WINDOW_SIZE, http2.DEFAULT_WINDOW_BYTES)
        table_bytes = self._setting(http2.HEADER_TABLE_SIZE, http2.DEFAULT_TABLE_BYTES)
        self._peer.update(settings)
        for call in self._calls.values():
            now = self._setting(http2.INITIAL_WINDOW_SIZE, http2.DEFAULT_WINDOW_BYTES)
            call.window_bytes += now - before
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
        for stream_id in [known for known in self._calls if known > last_stream_id]:
            self._finish(stream_id, _BROKEN)

    def _finish(self, stream_id: int, outcome: Outcome) -> None:
        call = self._calls.pop(stream_id, None)
        if call is None:
            return
        self._hub.loop.run_callback(call.waiter.switch, outcome)
        if stream_id in self._waiting:
            self._cancel(stream_id)  # answered before it was all sent

    def _cancel(self, stream_id: int) -> None:
        self._waiting.pop(stream_id, None)
        if not self._reader.dead:
            code = http2.CANCEL.to_bytes(4, "big")
            self._connection.send(http2.frame(http2.RST_STREAM, 0, stream_id, code))


def _greeting() -> bytes:
    settings = {http2.ENABLE_PUSH: 0, http2.INITIAL_WINDOW_SIZE: STREAM_WINDOW_BYTES}
    grown = http2.window_update(0, CONNECTION_WINDOW_BYTES - http2.DEFAULT_WINDOW_BYTES)
    return http2.PREFACE + http2.settings_frame(settings) + grown


def _status(headers: Mapping[str, str], http_status: str) -> str:
    code = headers.get("grpc-status")
    if code is None:
        return f"http_{http_status}" if http_status != "200" else "grpc_UNKNOWN"
    if code == "0":
        return "ok"
    name = GRPC_CODES[int(code)] if code.isdigit() and int(code) < len(GRPC_CODES) else "UNKNOWN"
    return "timeout" if name == "DEADLINE_EXCEEDED" else f"grpc_{name}"


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
