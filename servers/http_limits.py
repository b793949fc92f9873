"""What an HTTP server takes from a stranger: how many bytes, for how long, how encoded."""

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from servers.contract import ARRIVES_WITHIN_S, MAX_BODY_BYTES, MAX_HEAD_BYTES, Problem

DRAIN_S = 5
"""What requests under way may take after SIGTERM."""

ARRIVAL = "arrival"
"""Where the state of a request's scope holds its Arrival."""


@dataclass(slots=True)
class Arrival:
    """A request that came whole at received_s (monotonic seconds), and whether its caller has gone
    away since; on_gone is called when that happens."""

    received_s: float
    gone: bool = False
    on_gone: Callable[[], None] | None = None

    def leave(self) -> None:
        self.gone = True
        if self.on_gone is not None:
            self.on_gone()


_TOO_LARGE = f"expected a body of at most {MAX_BODY_BYTES} bytes, found "
_TOO_SLOW = f"expected a whole request within {ARRIVES_WITHIN_S:g} s, found a part of one."
_HEAD_TOO_LARGE = f"expected a request line and headers of {MAX_HEAD_BYTES} bytes, found more."
_NOT_UTF_8 = "expected JSON in UTF-8 without a byte-order mark, found "


class LimitBody:
    """ASGI middleware: reads a request's body before anything else does, and refuses one that is
    larger than any valid request (413), declared or counted, or is not plain UTF-8 (422)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = next((v for n, v in scope["headers"] if n == b"content-length"), b"0")
        if int(declared) > MAX_BODY_BYTES:
            await _refuse_the_rest(f"{_TOO_LARGE}{int(declared)}.", scope, receive, send)
            return
        body = bytearray()
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > MAX_BODY_BYTES:
                rest = receive if more else _nothing_left
                await _refuse_the_rest(f"{_TOO_LARGE}more.", scope, rest, send)
                return
        encoding = json.detect_encoding(body)
        if body and encoding != "utf-8":
            await _answer(422, f"{_NOT_UTF_8}{encoding}.")(scope, receive, send)
            return
        whole: list[Message] = [{"type": "http.request", "body": bytes(body), "more_body": False}]

        async def replay() -> Message:
            return whole.pop() if whole else await receive()

        await self._app(scope, replay, send)


def _answer(status: int, detail: str) -> JSONResponse:
    return JSONResponse(Problem(detail=detail).model_dump(), status)


async def _nothing_left() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _refuse_the_rest(detail: str, scope: Scope, receive: Receive, send: Send) -> None:
    """Answers 413 and discards the rest of the body before the end of the answer: a connection
    closed with bytes unread is reset, and the caller may never see why."""

    async def answer_then_discard(message: Message) -> None:
        if message["type"] != "http.response.body":
            await send(message)
            return
        await send({**message, "more_body": True})
        while (part := await receive())["type"] == "http.request" and part.get("more_body"):
            pass
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    await _answer(413, detail)(scope, receive, answer_then_discard)


class PatientProtocol(HttpToolsProtocol):
    """uvicorn's HTTP/1.1 with an end to its patience: a request must arrive whole in time.

    A request that comes in one piece sets no timer.
    """

    request_within_s = ARRIVES_WITHIN_S
    refusal_media_type = "application/json"
    _look_again_s = 0.1

    _arriving = _head_arrived = False
    _head_bytes = 0
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.timeout_keep_alive_task = self.loop.call_later(
            self.timeout_keep_alive, self.timeout_keep_alive_handler
        )

    def data_received(self, data: bytes) -> None:
        in_head = self._arriving and not self._head_arrived
        super().data_received(data)
        if in_head and self._arriving and not self._head_arrived:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self._refuse_head()
        if self._deadline is None and (self._arriving or self._answered()):
            self._deadline = self.loop.call_later(self.request_within_s, self._look_again)

    def on_message_begin(self) -> None:
        self._arriving, self._head_arrived, self._head_bytes = True, False, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._head_arrived = True
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._arriving = False
        self._forget_deadline()
        self.scope["state"][ARRIVAL] = Arrival(time.monotonic())
        super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget_deadline()
        super().connection_lost(exc)
        if self.cycle is not None and (arrival := self.cycle.scope["state"].get(ARRIVAL)):
            arrival.leave()

    def shutdown(self) -> None:
        """Nobody waits at the stop for a request that has not arrived."""
        if self._arriving and (self._head_arrived or self._answered()):
            self.transport.close()
        else:
            super().shutdown()

    def send_400_response(self, msg: str) -> None:
        self._end(b"400 Bad Request", msg)

    def _answered(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _forget_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _look_again(self) -> None:
        # After a handler that held the event loop, timers run before the sockets are read.
        self._deadline = self.loop.call_later(self._look_again_s, self._give_up)

    def _give_up(self) -> None:
        self._deadline = None
        if self.transport.is_closing():
            return
        answers_another = self._arriving and not self._head_arrived and not self._answered()
        if answers_another or self.pipeline or self.flow.read_paused:
            self._deadline = self.loop.call_later(self.request_within_s, self._look_again)
        elif self._head_arrived and self.cycle.response_started:
            self.transport.close()  # it was refused before it came to its end
        else:
            self._end(b"408 Request Timeout", _TOO_SLOW)

    def _refuse_head(self) -> None:
        if self._answered():
            self._end(b"431 Request Header Fields Too Large", _HEAD_TOO_LARGE)
        else:
            self.transport.close()  # words of another answer may be on their way

    @staticmethod
    def refusal(status: int, detail: str) -> bytes:
        """The body of an answer to what is no request."""
        return Problem(detail=detail).model_dump_json().encode()

    def _end(self, status: bytes, detail: str) -> None:
        body = self.refusal(int(status[:3]), detail)
        head = b"HTTP/1.1 %b\r\ncontent-type: %b\r\ncontent-length: %d\r\n"
        head %= (status, self.refusal_media_type.encode(), len(body))
        self.transport.write(head + b"connection: close\r\n\r\n" + body)
        self.transport.close()
