"""Just enough HTTP/1.1 around a simulated service, one request at a time on each connection."""

import asyncio

from servers.contract import ServerCounters
from servers.raw_http import RawHttp, response
from servers.simulated_service.service import ReplyOutcome, SimulatedService

MAX_FILE_NUMBER = 1000
"""select() cannot watch file numbers from 1024 on; a connection above this is closed at once."""

_FAILED = response("500 Internal Server Error", '{"detail":"an error that the law asks for."}')


class LawHttp(RawHttp):
    """Answers when the law says. Texts that come together are served as one request."""

    def __init__(
        self,
        service: SimulatedService,
        label: str,
        loop: asyncio.AbstractEventLoop,
        live: bytes,
    ) -> None:
        super().__init__(label, loop, live)
        self._service = service

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if self._transport.get_extra_info("socket").fileno() > MAX_FILE_NUMBER:
            self._transport.abort()

    def serve(self, n_texts: int, answer: bytes) -> None:
        self._service.arrive(lambda outcome: self._served(outcome, answer))

    def _served(self, outcome: ReplyOutcome, answer: bytes) -> None:
        if outcome is ReplyOutcome.DROPPED:
            self.close()
        else:
            self.reply(answer if outcome is ReplyOutcome.ANSWERED else _FAILED)

    def counters(self) -> ServerCounters:
        if late := self._service.lateness():
            print(late, flush=True)
        return self._service.counters()
