"""Just enough HTTP/1.1 around a simulated service, one request at a time on each connection."""

import asyncio
import json
from typing import cast

from servers.contract import BatchItem, BatchPredictResponse, PredictResponse
from servers.law_service.service import Outcome, SimulatedService
from servers.null_service.http import MAX_HEAD_BYTES, body_length, live_answer

MAX_FILE_NUMBER = 1000
"""select() cannot watch file numbers from 1024 on; a connection above this is closed at once."""


def response(status: str, body: str) -> bytes:
    payload = body.encode()
    head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(payload)}"
    return head.encode() + b"\r\n\r\n" + payload


_READY = response("200 OK", '{"status":"ready"}')
_FAILED = response("500 Internal Server Error", '{"detail":"an error that the law asks for."}')
_NOT_FOUND = response("404 Not Found", '{"detail":"Not Found"}')
_NOT_A_BATCH = response("422 Unprocessable Content", '{"detail":"expected a list of texts."}')
_NO_LENGTH = response(
    "411 Length Required", '{"detail":"expected a content-length header: chunks are not read."}'
)


class LawHttp(asyncio.Protocol):
    """One kept-alive connection; the next request is read once the last one was answered."""

    def __init__(self, service: SimulatedService, label: str, contender: str = "law") -> None:
        self._service = service
        self._health = {
            b"GET /health/live ": live_answer(contender),
            b"GET /health/ready ": _READY,
        }
        self._label = label
        one = PredictResponse(label=label, confidence=1.0, latency_ms=0.0)
        self._answer_to_one = response("200 OK", one.model_dump_json())
        self._received = b""
        self._busy = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if self._transport.get_extra_info("socket").fileno() > MAX_FILE_NUMBER:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._received += data
        self._read()

    def _read(self) -> None:
        while not self._busy and (head_end := self._received.find(b"\r\n\r\n")) >= 0:
            length = body_length(self._received[: head_end + 2])
            if length is None:
                self._transport.write(_NO_LENGTH)
                self._transport.close()
                return
            end = head_end + 4 + length
            if end > len(self._received):
                return
            request, self._received = self._received[:end], self._received[end:]
            self._answer(request[:40], request[head_end + 4 :])
        if not self._busy and len(self._received) > MAX_HEAD_BYTES:
            self._transport.close()

    def _answer(self, request_line: bytes, body: bytes) -> None:
        if request_line.startswith(b"POST /predict "):
            self._serve(self._answer_to_one)
        elif request_line.startswith(b"POST /batch_predict "):
            self._answer_batch(body)
        elif request_line.startswith(b"GET /stats "):
            if late := self._service.lateness():
                print(late, flush=True)
            counters = self._service.counters()
            self._transport.write(response("200 OK", counters.model_dump_json()))
        else:
            path = request_line[: request_line.find(b" ", 5) + 1]
            self._transport.write(self._health.get(path, _NOT_FOUND))

    def _answer_batch(self, body: bytes) -> None:
        """Texts that come together are served as one request."""
        try:
            n_texts = len(json.loads(body)["texts"])
        except (ValueError, KeyError, TypeError):
            self._transport.write(_NOT_A_BATCH)
            return
        items = [BatchItem(label=self._label, confidence=1.0)] * n_texts
        batch = BatchPredictResponse(predictions=items, latency_ms=0.0)
        self._serve(response("200 OK", batch.model_dump_json()))

    def _serve(self, answer: bytes) -> None:
        self._busy = True
        self._service.arrive(lambda outcome: self._reply(outcome, answer))

    def _reply(self, outcome: Outcome, answer: bytes) -> None:
        self._busy = False
        if outcome is Outcome.DROPPED:
            self._transport.close()
            return
        self._transport.write(answer if outcome is Outcome.ANSWERED else _FAILED)
        self._read()
