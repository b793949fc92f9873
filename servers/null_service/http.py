"""The null HTTP server: just enough HTTP/1.1 to answer faster than any Python client can ask."""

import asyncio
from dataclasses import dataclass

from servers.contract import ServerCounters
from servers.raw_http import (
    NOT_FOUND,
    RawHttp,
    RefusedError,
    answer_to_batch,
    answer_to_one,
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

    def answer(self) -> None:
        if self._requests:
            self._transport.write(b"".join([self._answer(*each) for each in self._requests]))
            self._requests.clear()
        self.refuse()

    def _answer(self, line: bytes, body: bytes) -> bytes:
        if line == b"POST /predict":
            self._totals.requests += 1
            self._totals.inferences += 1
            return _ANSWER
        if line == b"POST /batch_predict":
            return self._answer_batch(body)
        if line == b"GET /stats":
            return response("200 OK", self._totals.to_json())
        return self._health.get(line, NOT_FOUND)

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
