"""Just enough HTTP/1.1 for the servers without a model, and what they take from a stranger."""

import asyncio
from abc import abstractmethod
from collections import deque
from typing import cast

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser
from pydantic import ValidationError

from servers.contract import (
    ARRIVES_WITHIN_S,
    MAX_BODY_BYTES,
    MAX_HEAD_BYTES,
    BatchItem,
    BatchPredictRequest,
    BatchPredictResponse,
    Health,
    PredictResponse,
    Problem,
    ServerCounters,
)


def response(status: str, body: str) -> bytes:
    payload = body.encode()
    head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(payload)}"
    return head.encode() + b"\r\n\r\n" + payload


def _problem(status: str, detail: str) -> bytes:
    return response(status, Problem(detail=detail).model_dump_json())


READY = response("200 OK", '{"status":"ready"}')
NOT_FOUND = _problem("404 Not Found", "Not Found")
_NOT_HTTP = _problem("400 Bad Request", "expected an HTTP/1.1 request, found something else.")
_OTHER_PROTOCOL = _problem(
    "400 Bad Request",
    "expected a request of HTTP/1.1 alone, found one that offers another protocol.",
)
_HEAD_TOO_LARGE = _problem(
    "431 Request Header Fields Too Large", f"expected a head of at most {MAX_HEAD_BYTES} bytes."
)
_TOO_LARGE = f"expected a body of at most {MAX_BODY_BYTES} bytes."


def live_answer(contender: str) -> bytes:
    return response("200 OK", Health(status="live", contender=contender).model_dump_json())


class RefusedError(Exception):
    """A request that is not served: answer says why."""

    def __init__(self, status: str, detail: str) -> None:
        super().__init__(detail)
        self.answer = _problem(status, detail)


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
    """One connection: keep-alive, pipelined and split requests. httptools calls what begins on_.

    Requests are answered in their order, each before the next one is served. Answers that are
    ready together leave in one write. A request that comes in one piece sets no timer.
    """

    def __init__(self, label: str, loop: asyncio.AbstractEventLoop, live: bytes) -> None:
        self._label = label
        self._answer_to_one = answer_to_one(label)
        self._loop = loop
        self._health = {b"GET /health/live": live, b"GET /health/ready": READY}
        self._parser = HttpRequestParser(self)
        # Method with target, and body: of requests that came whole and wait for their answer.
        self._requests: deque[tuple[bytes, bytes]] = deque()
        self._answers: list[bytes] = []
        self._refusal = b""
        self._arriving = False
        self._reading = False
        self._busy = False
        self._paused = False
        self._deadline: asyncio.TimerHandle | None = None

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
        """Answers the request that is being served, and serves on."""
        self._busy = False
        self._answers.append(answer)
        if not self._reading:
            self._serve_all()

    def close(self) -> None:
        """Nothing more is served; what was answered still leaves."""
        self._busy = True
        self._write()
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        self._begun = False
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade:
            self._requests.pop()  # its body is not read
            self._refusal = _OTHER_PROTOCOL
        except HttpParserError as error:
            cause = error.__context__
            self._refusal = cause.answer if isinstance(cause, RefusedError) else _NOT_HTTP
        if self._arriving:
            if self._deadline is None:
                self._deadline = self._loop.call_later(ARRIVES_WITHIN_S, self._transport.close)
            self._head_bytes += 0 if self._begun or self._body else len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self._refusal = _HEAD_TOO_LARGE
        self._serve_all()

    def _serve_all(self) -> None:
        """Serves the requests that wait, as far as that can be done now; then refuses."""
        self._reading = True
        while self._requests and not self._busy:
            self._busy = True
            answer = self._answer(*self._requests.popleft())
            if answer is not None:
                self.reply(answer)
        self._reading = False
        if self._refusal and not self._busy:
            self._answers.append(self._refusal)
            self.close()
            return
        waiting = self._busy and bool(self._requests or self._refusal)
        if waiting != self._paused:
            self._paused = waiting
            (self._transport.pause_reading if waiting else self._transport.resume_reading)()
        self._write()

    def _answer(self, line: bytes, body: bytes) -> bytes | None:
        if line == b"POST /predict":
            return self.serve(1, self._answer_to_one)
        if line == b"POST /batch_predict":
            try:
                return self.serve(*answer_to_batch(self._label, body))
            except RefusedError as refused:
                self.count_refused()
                return refused.answer
        if line == b"GET /stats":
            return response("200 OK", self.counters().model_dump_json())
        return self._health.get(line, NOT_FOUND)

    def _write(self) -> None:
        if self._answers:
            self._transport.write(b"".join(self._answers))
            self._answers.clear()

    def on_message_begin(self) -> None:
        self._arriving = self._begun = True
        self._target = self._body = b""
        self._head_bytes = 0

    def on_url(self, piece: bytes) -> None:
        self._target += piece

    def on_body(self, piece: bytes) -> None:
        self._body += piece
        if len(self._body) > MAX_BODY_BYTES:
            raise RefusedError("413 Content Too Large", _TOO_LARGE)

    def on_message_complete(self) -> None:
        self._arriving = False
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        self._requests.append((self._parser.get_method() + b" " + self._target, self._body))
