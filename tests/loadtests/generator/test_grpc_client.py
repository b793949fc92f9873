"""The gRPC client against real grpcio servers and against one that scripts every frame."""

import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import gevent
import grpc
import hpack
import pytest

from loadtests.generator.clients.call import RequestFailedError
from loadtests.generator.clients.grpc_client import GrpcClient
from servers import http2

METHOD = "/study.Echo/Call"
END = http2.END_HEADERS | http2.END_STREAM


@pytest.fixture
def client_at() -> Iterator[Callable[..., GrpcClient]]:
    made: list[GrpcClient] = []

    def make(port: int, timeout_s: float = 20.0) -> GrpcClient:
        made.append(GrpcClient("127.0.0.1", port, timeout_s, METHOD, {"x-team": "a"}))
        return made[-1]

    yield make
    for client in made:
        client.close()


def status_of(client: GrpcClient, body: bytes = b"x") -> str:
    with pytest.raises(RequestFailedError) as failure:
        client.send(body)
    return failure.value.status


# grpcio's server: Huffman codes, dynamic header tables, its own flow control.


@pytest.fixture
def grpcio_server() -> Iterator[Callable[..., int]]:
    """Starts grpcio's server with one handler and returns its port."""
    servers: list[Any] = []

    def start(call: Callable[[bytes, Any], bytes], options: list[Any] | None = None) -> int:
        large = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
        server = grpc.server(ThreadPoolExecutor(8), options=large + (options or []))
        handlers = {"Call": grpc.unary_unary_rpc_method_handler(call)}
        server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler("study.Echo", handlers),)
        )
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        servers.append(server)
        return int(port)

    yield start
    for server in servers:
        server.stop(None).wait()


def test_grpcio_sees_the_body_the_metadata_and_the_deadline(grpcio_server, client_at) -> None:
    seen: list[Any] = []

    def call(request: bytes, context: Any) -> bytes:
        seen.append((dict(context.invocation_metadata()), context.time_remaining()))
        return request[::-1]

    assert client_at(grpcio_server(call)).send(b"abc") == b"cba"
    metadata, left_s = seen[0]
    assert metadata["x-team"] == "a"
    assert 0 < left_s <= 20


def test_headers_that_change_the_dynamic_table_are_read_right_each_time(
    grpcio_server, client_at
) -> None:
    # Every reply brings new table entries and trailers whose indices shift with them.
    def call(request: bytes, context: Any) -> bytes:
        context.send_initial_metadata([("x-count", request.decode() * 3), ("x-same", "same")])
        context.set_trailing_metadata([(f"x-{int(request) % 7}", "v" * (int(request) % 50))])
        if int(request) % 3 == 0:
            context.abort(grpc.StatusCode.NOT_FOUND, f"no {request.decode()}")
        return request

    client = client_at(grpcio_server(call))
    for number in range(200):
        if number % 3 == 0:
            assert status_of(client, b"%d" % number) == "grpc_NOT_FOUND"
        else:
            assert client.send(b"%d" % number) == b"%d" % number


@pytest.mark.parametrize("size_bytes", [0, 70_000, 9_000_000])
def test_messages_beyond_the_flow_control_windows_pass_whole(
    grpcio_server, client_at, size_bytes: int
) -> None:
    body = bytes(range(251)) * (size_bytes // 251)
    client = client_at(grpcio_server(lambda request, _context: request))
    assert client.send(body) == body
    assert client.send(body) == body


def test_100_calls_at_once_get_their_own_replies(grpcio_server, client_at) -> None:
    client = client_at(grpcio_server(lambda request, _context: request * 30))
    jobs = [gevent.spawn(client.send, b"%d," % k) for k in range(100)]
    gevent.joinall(jobs, timeout=30)
    assert [job.value for job in jobs] == [b"%d," % k * 30 for k in range(100)]


@pytest.mark.parametrize(
    "code", [code for code in grpc.StatusCode if code.value[0] not in (0, 4)], ids=lambda c: c.name
)
def test_a_status_other_than_ok_is_named(grpcio_server, client_at, code: grpc.StatusCode) -> None:
    def refuse(_request: bytes, context: Any) -> bytes:
        context.abort(code, "because: 因为")
        raise AssertionError

    assert status_of(client_at(grpcio_server(refuse))) == f"grpc_{code.name}"


def test_a_method_that_is_not_there_is_unimplemented(grpcio_server) -> None:
    port = grpcio_server(lambda request, _context: request)
    client = GrpcClient("127.0.0.1", port, 20.0, "/study.Echo/Other", {})
    assert status_of(client) == "grpc_UNIMPLEMENTED"
    client.close()


def test_a_call_that_is_late_is_a_timeout_and_the_server_is_told(grpcio_server, client_at) -> None:
    cancelled, release = threading.Event(), threading.Event()

    def wait(request: bytes, context: Any) -> bytes:
        if request == b"slow":
            context.add_callback(cancelled.set)
            release.wait(30)
        return request

    client = client_at(grpcio_server(wait), timeout_s=0.5)
    assert status_of(client, b"slow") == "timeout"
    assert cancelled.wait(10)
    release.set()
    assert client.send(b"quick") == b"quick"


# A scripted server: what grpcio does not do on request.


class Peer:
    """The server's end of one connection; blocking, for a thread of its own."""

    def __init__(self, accepted: socket.socket, settings: dict[int, int]) -> None:
        self.socket = accepted
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._reader, self._decoder = http2.FrameReader(), http2.HeaderDecoder()
        self._encoder = hpack.Encoder()
        self._frames: list[http2.Frame] = []
        preface = b""
        while len(preface) < len(http2.PREFACE):
            preface += accepted.recv(len(http2.PREFACE) - len(preface))
        assert preface == http2.PREFACE
        self.write(http2.settings_frame(settings))

    def write(self, *frames: bytes) -> None:
        self.socket.sendall(b"".join(frames))

    def next(self, *kinds: int) -> http2.Frame:
        """The next frame of one of kinds; others are passed over. EOFError at the end."""
        while True:
            while self._frames:
                frame = self._frames.pop(0)
                if frame.kind == http2.HEADERS:
                    self._decoder.decode(frame.payload)
                if frame.kind in kinds:
                    return frame
            data = self.socket.recv(65_536)
            if not data:
                raise EOFError
            self._frames.extend(self._reader.feed(data))

    def request(self) -> tuple[int, bytes]:
        """Stream and body of the next request that comes whole."""
        body = b""
        while True:
            frame = self.next(http2.DATA)
            body += frame.payload
            if frame.flags & http2.END_STREAM:
                return frame.stream_id, body

    def headers(self, stream_id: int, flags: int, *headers: tuple[str, str]) -> bytes:
        block = self._encoder.encode(headers)
        return http2.frame(http2.HEADERS, flags, stream_id, block)

    def reply(self, stream_id: int, message: bytes = b"\0\0\0\0\2ok") -> bytes:
        return b"".join(
            (
                self.headers(stream_id, http2.END_HEADERS, (":status", "200")),
                http2.frame(http2.DATA, 0, stream_id, message),
                self.headers(stream_id, END, ("grpc-status", "0")),
            )
        )


@pytest.fixture
def scripted() -> Iterator[Callable[..., Any]]:
    """Starts a server whose n-th connection runs script(n, peer); gives its port and the count."""
    listeners: list[socket.socket] = []
    opened: list[socket.socket] = []

    def start(script: Callable[[int, Peer], object], settings: dict[int, int] | None = None) -> Any:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def serve(number: int, accepted: socket.socket) -> None:
            try:
                script(number, Peer(accepted, settings or {}))
            except (EOFError, OSError):
                return  # the client has gone, or the test is over

        def accept() -> None:
            for number in range(1, 100):
                try:
                    accepted, _ = listener.accept()
                except OSError:
                    return
                opened.append(accepted)
                threading.Thread(target=serve, args=(number, accepted), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        return listener.getsockname()[1]

    yield start
    for each in (*listeners, *opened):
        each.close()


def answer_all(_number: int, peer: Peer) -> None:
    while True:
        stream_id, _ = peer.request()
        peer.write(peer.reply(stream_id))


def test_frames_that_come_byte_by_byte_make_the_same_reply(scripted, client_at) -> None:
    def drip(_number: int, peer: Peer) -> None:
        while True:
            stream_id, _ = peer.request()
            for byte in peer.reply(stream_id):
                peer.write(bytes([byte]))

    client = client_at(scripted(drip))
    assert [client.send(b"x"), client.send(b"x")] == [b"ok", b"ok"]


def test_padding_priorities_and_continued_headers_are_read(scripted, client_at) -> None:
    def script(_number: int, peer: Peer) -> None:
        stream_id, _ = peer.request()
        first = hpack.Encoder().encode([(":status", "200"), ("content-type", "application/grpc")])
        flags = http2.PADDED | http2.PRIORITY
        peer.write(
            http2.frame(http2.HEADERS, flags, stream_id, b"\3" + bytes(5) + first[:1] + b"pad"),
            http2.frame(http2.CONTINUATION, 0, stream_id, first[1:4]),
            http2.frame(http2.CONTINUATION, http2.END_HEADERS, stream_id, first[4:]),
            http2.frame(http2.DATA, http2.PADDED, stream_id, b"\2" + b"\0\0\0\0\2o" + b"zz"),
            http2.frame(http2.DATA, 0, stream_id, b"k"),
            peer.headers(stream_id, END, ("grpc-status", "0")),
        )
        peer.request()

    assert client_at(scripted(script)).send(b"x") == b"ok"


def test_a_ping_is_answered_with_its_own_content(scripted, client_at) -> None:
    answered: list[bytes] = []

    def script(_number: int, peer: Peer) -> None:
        stream_id, _ = peer.request()
        peer.write(http2.frame(http2.PING, 0, 0, b"12345678"))
        answered.append(peer.next(http2.PING).payload)
        peer.write(peer.reply(stream_id))

    assert client_at(scripted(script)).send(b"x") == b"ok"
    assert answered == [b"12345678"]


def test_a_body_is_sent_no_further_than_the_window_allows(scripted, client_at) -> None:
    pieces: list[int] = []

    def script(_number: int, peer: Peer) -> None:
        received = 0
        while received < 105:  # 100 bytes and the prefix of five
            frame = peer.next(http2.DATA)
            pieces.append(len(frame.payload))
            received += len(frame.payload)
            if received < 105:
                peer.write(http2.window_update(frame.stream_id, 10))
        peer.write(peer.reply(frame.stream_id))

    client = client_at(scripted(script, {http2.INITIAL_WINDOW_SIZE: 15}))
    assert client.send(b"x" * 100) == b"ok"
    assert pieces == [15] + [10] * 9


def test_a_window_that_settings_open_lets_waiting_bodies_go(scripted, client_at) -> None:
    def script(_number: int, peer: Peer) -> None:
        peer.next(http2.HEADERS)
        peer.write(http2.settings_frame({http2.INITIAL_WINDOW_SIZE: 1000}))
        stream_id, body = peer.request()
        peer.write(peer.reply(stream_id, b"\0" + len(body[5:]).to_bytes(4, "big") + body[5:]))

    client = client_at(scripted(script, {http2.INITIAL_WINDOW_SIZE: 0}))
    assert client.send(b"hello") == b"hello"


def test_a_server_that_takes_two_streams_gets_two_on_each_connection(scripted, client_at) -> None:
    all_open = threading.Barrier(3, timeout=30)

    def script(_number: int, peer: Peer) -> None:
        streams = [peer.request()[0], peer.request()[0]]
        all_open.wait()  # six calls are open at once, on three connections
        peer.write(*(peer.reply(stream_id) for stream_id in streams))

    client = client_at(scripted(script, {http2.MAX_CONCURRENT_STREAMS: 2}))
    jobs = [gevent.spawn(client.send, b"x") for _ in range(6)]
    gevent.joinall(jobs, timeout=30)
    assert [job.value for job in jobs] == [b"ok"] * 6


def test_after_goaway_open_calls_end_on_the_old_connection_and_new_ones_use_another(
    scripted, client_at
) -> None:
    used: list[int] = []

    def script(number: int, peer: Peer) -> None:
        stream_id, _ = peer.request()
        used.append(number)
        peer.write(http2.frame(http2.GOAWAY, 0, 0, stream_id.to_bytes(4, "big") + bytes(4)))
        peer.write(peer.reply(stream_id))

    client = client_at(scripted(script))
    assert [client.send(b"x"), client.send(b"x")] == [b"ok", b"ok"]
    assert used == [1, 2]


def test_calls_that_goaway_leaves_out_have_failed_and_are_not_sent_again(
    scripted, client_at
) -> None:
    received: list[int] = []

    def script(number: int, peer: Peer) -> None:
        received.append(peer.request()[0])
        peer.write(http2.frame(http2.GOAWAY, 0, 0, bytes(8)))

    assert status_of(client_at(scripted(script))) == "connection"
    assert received == [1]


@pytest.mark.parametrize(
    ("code", "status"),
    [(0x2, "grpc_INTERNAL"), (0x7, "grpc_UNAVAILABLE"), (0x8, "grpc_CANCELLED")],
)
def test_a_reset_stream_fails_that_call_alone(scripted, client_at, code: int, status: str) -> None:
    def script(_number: int, peer: Peer) -> None:
        stream_id, _ = peer.request()
        peer.write(http2.frame(http2.RST_STREAM, 0, stream_id, code.to_bytes(4, "big")))
        stream_id, _ = peer.request()
        peer.write(peer.reply(stream_id))

    client = client_at(scripted(script))
    assert status_of(client) == status
    assert client.send(b"x") == b"ok"


def test_a_late_call_is_reset_with_cancel(scripted, client_at) -> None:
    codes: list[int] = []
    told = threading.Event()

    def script(_number: int, peer: Peer) -> None:
        codes.append(int.from_bytes(peer.next(http2.RST_STREAM).payload, "big"))
        told.set()
        answer_all(1, peer)

    client = client_at(scripted(script), timeout_s=0.3)
    assert status_of(client) == "timeout"
    assert told.wait(10)
    assert codes == [http2.CANCEL]


def test_trailers_alone_and_an_http_error_are_told_apart(scripted, client_at) -> None:
    def script(_number: int, peer: Peer) -> None:
        for headers in (
            [(":status", "200"), ("grpc-status", "8")],
            [(":status", "503")],
            [(":status", "200")],
        ):
            stream_id, _ = peer.request()
            peer.write(peer.headers(stream_id, END, *headers))

    client = client_at(scripted(script))
    found = [status_of(client) for _ in range(3)]
    assert found == ["grpc_RESOURCE_EXHAUSTED", "http_503", "grpc_UNKNOWN"]


@pytest.mark.parametrize(
    "message", [b"", b"\1\0\0\0\1x", b"\0\0\0\0\2x", b"\0\0\0\0\1x\0\0\0\0\1x"]
)
def test_ok_without_exactly_one_plain_message_is_an_internal_error(
    scripted, client_at, message: bytes
) -> None:
    def script(_number: int, peer: Peer) -> None:
        stream_id, _ = peer.request()
        peer.write(peer.reply(stream_id, message))

    assert status_of(client_at(scripted(script))) == "grpc_INTERNAL"


@pytest.mark.parametrize(
    "nonsense", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\xff" * 50, b"\0\0\1\1\4\0\0\0\1\xff"]
)
def test_what_is_not_http2_breaks_the_connection(scripted, client_at, nonsense: bytes) -> None:
    def script(number: int, peer: Peer) -> None:
        if number > 1:
            return answer_all(number, peer)
        peer.request()
        peer.write(nonsense)
        return peer.next(http2.PING)

    client = client_at(scripted(script))
    assert status_of(client) == "connection"
    assert client.send(b"x") == b"ok"


def test_a_connection_lost_amid_calls_fails_all_of_them(scripted, client_at) -> None:
    def script(_number: int, peer: Peer) -> None:
        for _ in range(5):
            peer.request()
        peer.socket.shutdown(socket.SHUT_RDWR)

    client = client_at(scripted(script))
    jobs = [gevent.spawn(status_of, client) for _ in range(5)]
    gevent.joinall(jobs, timeout=30)
    assert [job.value for job in jobs] == ["connection"] * 5


def test_when_stream_ids_run_out_another_connection_is_opened(scripted, client_at) -> None:
    used: list[tuple[int, int]] = []

    def script(number: int, peer: Peer) -> None:
        while True:
            stream_id, _ = peer.request()
            used.append((number, stream_id))
            peer.write(peer.reply(stream_id))

    client = client_at(scripted(script))
    client.send(b"x")
    client._connections[0]._next_stream_id = http2.LAST_STREAM_ID
    assert [client.send(b"x"), client.send(b"x")] == [b"ok", b"ok"]
    assert used == [(1, 1), (1, http2.LAST_STREAM_ID), (2, 1)]


def test_a_smaller_header_table_of_the_server_is_respected(scripted, client_at) -> None:
    class SmallTable(http2.HeaderDecoder):
        def __init__(self) -> None:
            super().__init__()
            self._decoder.max_allowed_table_size = 0  # hpack refuses whatever goes beyond

    def script(_number: int, peer: Peer) -> None:
        peer._decoder = SmallTable()
        answer_all(1, peer)

    client = client_at(scripted(script, {http2.HEADER_TABLE_SIZE: 0}))
    assert [client.send(b"x") for _ in range(3)] == [b"ok"] * 3


@pytest.mark.parametrize("greets", [False, True])
def test_a_server_that_never_answers_is_a_timeout(client_at, greets: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def greet() -> None:
            accepted, _ = listener.accept()
            accepted.sendall(http2.settings_frame({}) if greets else b"")
            kept.append(accepted)

        kept: list[socket.socket] = []
        threading.Thread(target=greet, daemon=True).start()
        assert status_of(client_at(listener.getsockname()[1], timeout_s=0.3)) == "timeout"


def test_nobody_listening_is_a_broken_connection(client_at) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert status_of(client_at(port)) == "connection"
