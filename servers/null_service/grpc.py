"""The null KServe v2 gRPC server: prebuilt answers over HTTP/2, no request is even decoded.

Written on the socket because a load generator's ceiling shows only against a server that is well
above it: grpcio's Python server answered 2,000 to 2,700 requests/s on the core where the study's
client sends several times as many.
"""

import asyncio
import struct
from collections.abc import Callable
from typing import cast

from tritonclient.grpc import service_pb2

from servers import http2
from servers.contract import MODEL_NAME
from servers.null_service.http import CONFIDENCE, LABEL

_SERVICE = "/inference.GRPCInferenceService/"

_HEADERS = ((":status", "200"), ("content-type", "application/grpc"))
_TRAILERS = (("grpc-status", "0"),)
_UNIMPLEMENTED = (*_HEADERS, ("grpc-status", "12"), ("grpc-message", "not served here"))


def infer_response() -> bytes:
    """A serialised ModelInferResponse: LABEL BYTES [1,1] and CONFIDENCE FP32 [1,1]."""
    output = service_pb2.ModelInferResponse.InferOutputTensor
    label = LABEL.encode()
    response = service_pb2.ModelInferResponse(
        model_name=MODEL_NAME,
        model_version="1",
        outputs=[
            output(name="LABEL", datatype="BYTES", shape=[1, 1]),
            output(name="CONFIDENCE", datatype="FP32", shape=[1, 1]),
        ],
        raw_output_contents=[
            struct.pack("<I", len(label)) + label,
            struct.pack("<f", CONFIDENCE),
        ],
    )
    return bytes(response.SerializeToString())


def statistics_response(count: int) -> bytes:
    """A serialised ModelStatisticsResponse after count inferences, each executed alone."""
    statistics = service_pb2.ModelStatistics(
        name=MODEL_NAME, version="1", inference_count=count, execution_count=count
    )
    statistics.inference_stats.success.count = count
    response = service_pb2.ModelStatisticsResponse(model_stats=[statistics])
    return bytes(response.SerializeToString())


class NullInference:
    """The RPCs a load generator uses: path to serialised answer."""

    def __init__(self, contender: str) -> None:
        self._count = 0
        self._answer = infer_response()
        metadata = service_pb2.ServerMetadataResponse(name=contender).SerializeToString()
        ready = service_pb2.ServerReadyResponse(ready=True).SerializeToString()
        self._rpcs: dict[str, Callable[[], bytes]] = {
            f"{_SERVICE}ModelInfer": self._infer,
            f"{_SERVICE}ModelStatistics": lambda: statistics_response(self._count),
            f"{_SERVICE}ServerMetadata": lambda: metadata,
            f"{_SERVICE}ServerLive": lambda: ready,  # the three messages are alike: field 1, true
            f"{_SERVICE}ServerReady": lambda: ready,
            f"{_SERVICE}ModelReady": lambda: ready,
        }

    def answer(self, path: str) -> bytes | None:
        """None: there is no such method."""
        rpc = self._rpcs.get(path)
        return rpc() if rpc else None

    def _infer(self) -> bytes:
        self._count += 1
        return self._answer


class NullGrpc(asyncio.Protocol):
    """One connection. Answers are small: a client that gives a stream less window than one answer
    takes is told so by GOAWAY."""

    def __init__(self, inference: NullInference) -> None:
        self._inference = inference
        self._frames, self._decoder = http2.FrameReader(), http2.HeaderDecoder()
        self._encoder = http2.HeaderEncoder(http2.DEFAULT_TABLE_BYTES)
        self._preface = b""
        self._paths: dict[int, str] = {}
        self._answers: list[bytes] = []
        self._waiting: list[tuple[int, bytes]] = []
        self._window_bytes = http2.DEFAULT_WINDOW_BYTES
        self._unacknowledged_bytes = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have the methods of asyncio.Transport but do not inherit from it.
        self._transport = cast(asyncio.Transport, transport)
        settings = {http2.INITIAL_WINDOW_SIZE: http2.MAX_WINDOW_BYTES}
        grown = http2.MAX_WINDOW_BYTES - http2.DEFAULT_WINDOW_BYTES
        self._transport.write(http2.settings_frame(settings) + http2.window_update(0, grown))

    def data_received(self, data: bytes) -> None:
        try:
            for frame in self._frames.feed(self._after_preface(data)):
                self._handle(frame)
        except http2.Http2Error:
            reason = (0).to_bytes(4, "big") + http2.PROTOCOL_ERROR.to_bytes(4, "big")
            self._answers.append(http2.frame(http2.GOAWAY, 0, 0, reason))
            self._transport.write(b"".join(self._answers))
            self._transport.close()
            return
        if self._answers:
            self._transport.write(b"".join(self._answers))
            self._answers.clear()

    def _after_preface(self, data: bytes) -> bytes:
        missing = len(http2.PREFACE) - len(self._preface)
        if missing == 0:
            return data
        self._preface += data[:missing]
        if not http2.PREFACE.startswith(self._preface):
            raise http2.Http2Error("expected the preface of HTTP/2, found something else.")
        return data[missing:]

    def _handle(self, frame: http2.Frame) -> None:
        if frame.kind == http2.HEADERS:
            self._paths[frame.stream_id] = self._decoder.decode(frame.payload).get(":path", "")
        elif frame.kind == http2.DATA:
            self._unacknowledged_bytes += frame.size_bytes
            if self._unacknowledged_bytes > http2.MAX_WINDOW_BYTES // 2:
                self._answers.append(http2.window_update(0, self._unacknowledged_bytes))
                self._unacknowledged_bytes = 0
        elif frame.kind == http2.SETTINGS and not frame.flags & http2.ACK:
            self._on_settings(http2.parse_settings(frame.payload))
        elif frame.kind == http2.PING and not frame.flags & http2.ACK:
            self._answers.append(http2.frame(http2.PING, http2.ACK, 0, frame.payload))
        elif frame.kind == http2.WINDOW_UPDATE and frame.stream_id == 0:
            self._window_bytes += http2.parse_u31(frame.payload)
            waiting, self._waiting = self._waiting, []
            for stream_id, message in waiting:
                self._send(stream_id, message)
        elif frame.kind == http2.RST_STREAM:
            self._paths.pop(frame.stream_id, None)
        if frame.kind <= http2.HEADERS and frame.flags & http2.END_STREAM:
            self._answer(frame.stream_id)

    def _on_settings(self, settings: dict[int, int]) -> None:
        if settings.get(http2.INITIAL_WINDOW_SIZE, http2.DEFAULT_WINDOW_BYTES) < 1024:
            raise http2.Http2Error("expected room for an answer on each stream, found too little.")
        if http2.HEADER_TABLE_SIZE in settings:
            self._encoder = http2.HeaderEncoder(settings[http2.HEADER_TABLE_SIZE])
        self._answers.append(http2.frame(http2.SETTINGS, http2.ACK, 0))

    def _answer(self, stream_id: int) -> None:
        path = self._paths.pop(stream_id, None)
        if path is None:
            return  # the caller has cancelled
        message = self._inference.answer(path)
        if message is None:
            block = self._encoder.encode(_UNIMPLEMENTED)
            flags = http2.END_HEADERS | http2.END_STREAM
            self._answers.append(http2.frame(http2.HEADERS, flags, stream_id, block))
        else:
            self._send(stream_id, b"\0" + len(message).to_bytes(4, "big") + message)

    def _send(self, stream_id: int, message: bytes) -> None:
        if self._window_bytes < len(message):
            self._waiting.append((stream_id, message))
            return
        self._window_bytes -= len(message)
        end = http2.END_HEADERS | http2.END_STREAM
        self._answers += (
            http2.frame(
                http2.HEADERS, http2.END_HEADERS, stream_id, self._encoder.encode(_HEADERS)
            ),
            http2.frame(http2.DATA, 0, stream_id, message),
            http2.frame(http2.HEADERS, end, stream_id, self._encoder.encode(_TRAILERS)),
        )


async def serve_grpc(contender: str, host: str, port: int, stop: asyncio.Event) -> None:
    """Serves until stop is set."""
    inference = NullInference(contender)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: NullGrpc(inference), host, port, backlog=2048)
    await stop.wait()
    server.close()
