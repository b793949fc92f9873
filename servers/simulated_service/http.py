"""Just enough HTTP/1.1 around a simulated service, one request at a time on each connection."""

import asyncio

from servers.raw_http import (
    NOT_FOUND,
    RawHttp,
    RefusedError,
    answer_to_batch,
    answer_to_one,
    response,
)
from servers.simulated_service.service import ReplyOutcome, SimulatedService

MAX_FILE_NUMBER = 1000
"""select() cannot watch file numbers from 1024 on; a connection above this is closed at once."""

_FAILED = response("500 Internal Server Error", '{"detail":"an error that the law asks for."}')


class LawHttp(RawHttp):
    """The next request is read once the last one was answered."""

    def __init__(
        self,
        service: SimulatedService,
        label: str,
        loop: asyncio.AbstractEventLoop,
        live: bytes,
    ) -> None:
        super().__init__(loop, live)
        self._service = service
        self._busy = False
        self._label = label
        self._answer_to_one = answer_to_one(label)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if self._transport.get_extra_info("socket").fileno() > MAX_FILE_NUMBER:
            self._transport.abort()

    def answer(self) -> None:
        while self._requests and not self._busy:
            self._answer(*self._requests.popleft())
        if self._busy:
            if self._requests or self._refusal:
                self._transport.pause_reading()
        else:
            self._transport.resume_reading()
            self.refuse()

    def _answer(self, line: bytes, body: bytes) -> None:
        if line == b"POST /predict":
            self._serve(self._answer_to_one)
        elif line == b"POST /batch_predict":
            self._answer_batch(body)
        elif line == b"GET /stats":
            if late := self._service.lateness():
                print(late, flush=True)
            counters = self._service.counters()
            self._transport.write(response("200 OK", counters.model_dump_json()))
        else:
            self._transport.write(self._health.get(line, NOT_FOUND))

    def _answer_batch(self, body: bytes) -> None:
        """Texts that come together are served as one request."""
        try:
            self._serve(answer_to_batch(self._label, body)[1])
        except RefusedError as refused:
            self._transport.write(refused.answer)

    def _serve(self, answer: bytes) -> None:
        self._busy = True
        self._service.arrive(lambda outcome: self._reply(outcome, answer))

    def _reply(self, outcome: ReplyOutcome, answer: bytes) -> None:
        self._busy = False
        if outcome is ReplyOutcome.DROPPED:
            self._transport.close()
            return
        self._transport.write(answer if outcome is ReplyOutcome.ANSWERED else _FAILED)
        self.answer()
