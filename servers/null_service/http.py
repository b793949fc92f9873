"""The null HTTP server: just enough HTTP/1.1 to answer faster than any Python client can ask."""

import asyncio
from dataclasses import dataclass

from servers.contract import ServerCounters
from servers.raw_http import (
    MAX_HEAD_BYTES,
    NOT_FOUND,
    RawHttp,
    RefusedError,
    answer_to_batch,
    answer_to_one,
    body_length,
    live_answer,
    response,
)

LABEL = "null"
CONFIDENCE = 1.0

_ANSWER = answer_to_one(LABEL)


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


class NullHttp(RawHttp):
    """Requests that come together are answered in one write."""

    def __init__(self, totals: Totals, loop: asyncio.AbstractEventLoop, live: bytes) -> None:
        super().__init__(loop, live)
        self._totals = totals

    def data_received(self, data: bytes) -> None:
        received = self._received + data if self._received else data
        answers: list[bytes] = []
        at = 0
        while (head_end := received.find(b"\r\n\r\n", at)) >= 0:
            try:
                end = head_end + 4 + body_length(received[at : head_end + 2])
            except RefusedError as refused:
                self._transport.write(b"".join((*answers, refused.answer)))
                self._transport.close()
                return
            if end > len(received):
                break
            answers.append(self._answer(received[at : at + 40], received[head_end + 4 : end]))
            at = end
        self._received = received[at:]
        if answers:
            self._n_answered += len(answers)
            self._transport.write(b"".join(answers))
        if head_end < 0 and len(self._received) > MAX_HEAD_BYTES:
            self._transport.close()
        self.watch_the_rest()

    def _answer(self, request_line: bytes, body: bytes) -> bytes:
        if request_line.startswith(b"POST /predict "):
            self._totals.requests += 1
            self._totals.inferences += 1
            return _ANSWER
        if request_line.startswith(b"POST /batch_predict "):
            return self._answer_batch(body)
        if request_line.startswith(b"GET /stats "):
            return response("200 OK", self._totals.to_json())
        path = request_line[: request_line.find(b" ", 5) + 1]
        return self._health.get(path, NOT_FOUND)

    def _answer_batch(self, body: bytes) -> bytes:
        try:
            n_texts, answer = answer_to_batch(LABEL, body)
        except RefusedError as refused:
            self._totals.refused += 1
            return refused.answer
        self._totals.requests += 1
        self._totals.inferences += n_texts
        return answer


async def serve_http(contender: str, host: str, port: int, stop: asyncio.Event) -> None:
    """Serves until stop is set."""
    totals, live = Totals(), live_answer(contender)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: NullHttp(totals, loop, live), host, port, backlog=2048
    )
    await stop.wait()
    server.close()
