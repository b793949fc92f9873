"""The null HTTP server: just enough HTTP/1.1 to answer faster than any Python client can ask."""

import asyncio
import json
from dataclasses import dataclass
from typing import cast

from servers.contract import (
    BatchItem,
    BatchPredictResponse,
    Health,
    PredictResponse,
    ServerCounters,
)

LABEL = "null"
CONFIDENCE = 1.0
MAX_HEAD_BYTES = 65_536


def _response(status: str, body: str) -> bytes:
    payload = body.encode()
    head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(payload)}"
    return head.encode() + b"\r\n\r\n" + payload


_ANSWER = _response(
    "200 OK",
    PredictResponse(label=LABEL, confidence=CONFIDENCE, latency_ms=0.0).model_dump_json(),
)
_READY = _response("200 OK", '{"status":"ready"}')
_NOT_FOUND = _response("404 Not Found", '{"detail":"Not Found"}')
_NOT_A_BATCH = _response("422 Unprocessable Content", '{"detail":"expected a list of texts."}')
_NO_LENGTH = _response(
    "411 Length Required", '{"detail":"expected a content-length header: chunks are not read."}'
)


@dataclass
class Totals:
    requests: int = 0
    refused: int = 0
    inferences: int = 0

    def to_json(self) -> str:
        return ServerCounters(
            requests_ok=self.requests,
            requests_failed=self.refused,
            inferences=self.inferences,
            executions=self.inferences,
        ).model_dump_json()


def body_length(head: bytes) -> int | None:
    """Bytes of body announced by a request head; None: chunked, or not a number."""
    lower = head.lower()
    start = lower.find(b"\r\ncontent-length:")
    if start < 0:
        return None if b"\r\ntransfer-encoding:" in lower else 0
    value = lower[start + 17 :].split(b"\r\n", 1)[0].strip()
    return int(value) if value.isdigit() else None


class NullHttp(asyncio.Protocol):
    """One connection: keep-alive, pipelined and split requests with content-length bodies."""

    def __init__(self, totals: Totals, live: bytes) -> None:
        self._totals = totals
        self._live = live
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have the methods of asyncio.Transport but do not inherit from it.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        received = self._received + data if self._received else data
        answers: list[bytes] = []
        at = 0
        while (head_end := received.find(b"\r\n\r\n", at)) >= 0:
            length = body_length(received[at : head_end + 2])
            if length is None:
                self._transport.write(b"".join((*answers, _NO_LENGTH)))
                self._transport.close()
                return
            end = head_end + 4 + length
            if end > len(received):
                break
            answers.append(self._answer(received[at : at + 40], received[head_end + 4 : end]))
            at = end
        self._received = received[at:]
        if answers:
            self._transport.write(b"".join(answers))
        if head_end < 0 and len(self._received) > MAX_HEAD_BYTES:
            self._transport.close()

    def _answer(self, request_line: bytes, body: bytes) -> bytes:
        if request_line.startswith(b"POST /predict "):
            self._totals.requests += 1
            self._totals.inferences += 1
            return _ANSWER
        if request_line.startswith(b"POST /batch_predict "):
            return self._answer_batch(body)
        if request_line.startswith(b"GET /stats "):
            return _response("200 OK", self._totals.to_json())
        if request_line.startswith(b"GET /health/live "):
            return self._live
        if request_line.startswith(b"GET /health/ready "):
            return _READY
        return _NOT_FOUND

    def _answer_batch(self, body: bytes) -> bytes:
        try:
            n_texts = len(json.loads(body)["texts"])
        except (ValueError, KeyError, TypeError):
            self._totals.refused += 1
            return _NOT_A_BATCH
        self._totals.requests += 1
        self._totals.inferences += n_texts
        items = [BatchItem(label=LABEL, confidence=CONFIDENCE)] * n_texts
        batch = BatchPredictResponse(predictions=items, latency_ms=0.0)
        return _response("200 OK", batch.model_dump_json())


def live_answer(contender: str) -> bytes:
    health = Health(status="live", contender=contender)
    return _response("200 OK", health.model_dump_json())


async def serve_http(contender: str, host: str, port: int, stop: asyncio.Event) -> None:
    """Serves until stop is set."""
    totals, live = Totals(), live_answer(contender)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: NullHttp(totals, live), host, port, backlog=2048)
    await stop.wait()
    server.close()
