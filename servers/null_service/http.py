"""The null HTTP server: just enough HTTP/1.1 to answer faster than any Python client can ask."""

import asyncio
from dataclasses import dataclass

from servers.contract import ServerCounters
from servers.raw_http import RawHttp, live_answer

LABEL = "null"
CONFIDENCE = 1.0


@dataclass
class Totals:
    requests: int = 0
    refused: int = 0
    inferences: int = 0


class NullHttp(RawHttp):
    """Answers at once."""

    def __init__(self, totals: Totals, loop: asyncio.AbstractEventLoop, live: bytes) -> None:
        super().__init__(LABEL, loop, live)
        self._totals = totals

    def serve(self, n_texts: int, answer: bytes) -> bytes:
        self._totals.requests += 1
        self._totals.inferences += n_texts
        return answer

    def count_refused(self) -> None:
        self._totals.refused += 1

    def counters(self) -> ServerCounters:
        totals = self._totals
        return ServerCounters(
            requests_ok=totals.requests,
            requests_failed=totals.refused,
            inferences=totals.inferences,
            executions=totals.inferences,
        )


async def serve_http(contender: str, host: str, port: int, stop: asyncio.Event) -> None:
    """Serves until stop is set."""
    totals, live = Totals(), live_answer(contender)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: NullHttp(totals, loop, live), host, port, backlog=2048
    )
    await stop.wait()
    server.close()
