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
    ServerCounters,
)

MAX_HEAD_BYTES = 65_536
_MAX_LENGTH_DIGITS = 12
_MOST_LINE_BYTES = 40
"""Of a request line: every path that is served is shorter."""
_HEAD_END = b"\r\n\r\n"
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
    """One connection: keep-alive, pipelined and split requests with content-length bodies.

    Requests are answered in their order, each before the next one is read. Answers that are ready
    together leave in one write.
    """

    def __init__(self, label: str, loop: asyncio.AbstractEventLoop, live: bytes) -> None:
        self._label = label
        self._answer_to_one = answer_to_one(label)
        self._loop = loop
        self._health = {b"GET /health/live ": live, b"GET /health/ready ": READY}
        self._received = b""
        self._answers: list[bytes] = []
        self._n_answered = 0
        self._watched = False
        self._reading = False
        self._busy = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have the methods of asyncio.Transport but do not inherit from it.
        self._transport = cast(asyncio.Transport, transport)

    @abstractmethod
    def serve(self, n_texts: int, answer: bytes) -> bytes | None:
        """What to answer to n_texts; None: reply is called with it, now or later."""

    @abstractmethod
    def counters(self) -> ServerCounters: ...

    def count_refused(self) -> None:
        """Takes note of a request that is answered and was not served."""

    def reply(self, answer: bytes) -> None:
        """Answers the request that is being served, and reads on."""
        self._busy = False
        self._answers.append(answer)
        if not self._reading:
            self._read()

    def close(self) -> None:
        """Nothing more is read; what was answered still leaves."""
        self._busy = True
        self._write()
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        self._received = self._received + data if self._received else data
        self._read()

    def _read(self) -> None:
        received, at, head_end = self._received, 0, 0
        self._reading = True
        while not self._busy and (head_end := received.find(_HEAD_END, at)) >= 0:
            body_at = head_end + len(_HEAD_END)
            try:
                end = body_at + body_length(received[at : head_end + 2])
            except RefusedError as refused:
                self.reply(refused.answer)
                self.close()
                break
            if end > len(received):
                break
            self._n_answered += 1
            self._busy = True
            answer = self._answer(received[at : at + _MOST_LINE_BYTES], received[body_at:end])
            at = end
            if answer is not None:
                self.reply(answer)
        self._reading = False
        self._received = received[at:]
        self._write()
        if head_end < 0 and len(self._received) > MAX_HEAD_BYTES:
            self._transport.close()
        self._watch_the_rest()

    def _answer(self, line: bytes, body: bytes) -> bytes | None:
        if line.startswith(b"POST /predict "):
            return self.serve(1, self._answer_to_one)
        if line.startswith(b"POST /batch_predict "):
            try:
                return self.serve(*answer_to_batch(self._label, body))
            except RefusedError as refused:
                self.count_refused()
                return refused.answer
        if line.startswith(b"GET /stats "):
            return response("200 OK", self.counters().model_dump_json())
        return self._health.get(line[: line.find(b" ", 5) + 1], NOT_FOUND)

    def _write(self) -> None:
        if self._answers:
            self._transport.write(b"".join(self._answers))
            self._answers.clear()

    def _watch_the_rest(self) -> None:
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
            self._watch_the_rest()
