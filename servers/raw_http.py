"""Just enough HTTP/1.1 for the servers without a model, and what they take from a stranger."""

import asyncio
from abc import abstractmethod
from typing import cast

from pydantic import ValidationError

from servers.contract import (
    ARRIVES_WITHIN_S,
    MAX_BODY_BYTES,
    BatchItem,
    BatchPredictRequest,
    BatchPredictResponse,
    Health,
    PredictResponse,
    Problem,
)

MAX_HEAD_BYTES = 65_536
_MAX_LENGTH_DIGITS = 12
_CONTENT_LENGTH = b"\r\ncontent-length:"


def response(status: str, body: str) -> bytes:
    payload = body.encode()
    head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(payload)}"
    return head.encode() + b"\r\n\r\n" + payload


def _problem(status: str, detail: str) -> bytes:
    return response(status, Problem(detail=detail).model_dump_json())


READY = response("200 OK", '{"status":"ready"}')
NOT_FOUND = _problem("404 Not Found", "Not Found")


def live_answer(contender: str) -> bytes:
    return response("200 OK", Health(status="live", contender=contender).model_dump_json())


class RefusedError(Exception):
    """A request that is not served: answer says why."""

    def __init__(self, status: str, detail: str) -> None:
        super().__init__(detail)
        self.answer = _problem(status, detail)


def body_length(head: bytes) -> int:
    """Bytes of body announced by a request head; RefusedError where they cannot be read."""
    lower = head.lower()
    start = lower.find(_CONTENT_LENGTH)
    if start < 0 and b"\r\ntransfer-encoding:" not in lower:
        return 0
    value = lower[start + len(_CONTENT_LENGTH) :].split(b"\r\n", 1)[0].strip()
    if start < 0 or not value.isdigit():
        raise RefusedError(
            "411 Length Required", "expected a content-length header: chunks are not read."
        )
    if len(value) > _MAX_LENGTH_DIGITS or int(value) > MAX_BODY_BYTES:
        raise RefusedError(
            "413 Content Too Large", f"expected a body of at most {MAX_BODY_BYTES} bytes."
        )
    return int(value)


def answer_to_one(label: str) -> bytes:
    return response(
        "200 OK", PredictResponse(label=label, confidence=1.0, latency_ms=0.0).model_dump_json()
    )


def answer_to_batch(label: str, body: bytes) -> tuple[int, bytes]:
    """How many texts a batch has and the answer to it; RefusedError where body is no batch."""
    try:
        n_texts = len(BatchPredictRequest.model_validate_json(body).texts)
    except ValidationError as error:
        raise RefusedError("422 Unprocessable Content", error.errors()[0]["msg"]) from None
    items = [BatchItem(label=label, confidence=1.0)] * n_texts
    batch = BatchPredictResponse(predictions=items, latency_ms=0.0)
    return n_texts, response("200 OK", batch.model_dump_json())


class RawHttp(asyncio.Protocol):
    """One connection: keep-alive, pipelined and split requests with content-length bodies."""

    def __init__(self, loop: asyncio.AbstractEventLoop, live: bytes) -> None:
        self._loop = loop
        self._health = {b"GET /health/live ": live, b"GET /health/ready ": READY}
        self._received = b""
        self._n_answered = 0
        self._watched = False
        self._busy = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have the methods of asyncio.Transport but do not inherit from it.
        self._transport = cast(asyncio.Transport, transport)

    @abstractmethod
    def data_received(self, data: bytes) -> None: ...

    def watch_the_rest(self) -> None:
        """Closes the connection where a request that has begun does not end in time.

        A request that comes in one piece sets no timer.
        """
        if len(self._received) > MAX_HEAD_BYTES + MAX_BODY_BYTES:
            self._transport.close()
        elif self._received and not self._watched and not self._busy:
            self._watched = True
            self._loop.call_later(ARRIVES_WITHIN_S, self._look, self._n_answered)

    def _look(self, n_answered_before: int) -> None:
        self._watched = False
        if self._received and not self._busy and self._n_answered == n_answered_before:
            self._transport.close()
        else:
            self.watch_the_rest()
