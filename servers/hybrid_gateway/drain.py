"""The end of a gateway that a load balancer sends requests to: first it says that it is going, and
still answers; then it takes no more and finishes what is under way; then it ends."""

import asyncio
import signal
import threading
from types import FrameType

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Drain:
    """From SIGTERM on, begun: for notice_s the gateway is not ready and closes connections after
    their answers, and nothing else changes. A second SIGTERM ends the notice."""

    def __init__(self, notice_s: float) -> None:
        self._notice_s = notice_s
        self.begun = False

    def listen(self) -> None:
        """Takes the place of the server's own handler of SIGTERM, which it calls after the notice.
        To be called in the event loop, after the server has set that one."""
        if threading.current_thread() is not threading.main_thread():
            return  # a server that a thread runs gets no signals
        stop = signal.getsignal(signal.SIGTERM)
        loop = asyncio.get_running_loop()

        def begin(number: int, frame: FrameType | None) -> None:
            if not callable(stop):
                return
            if self.begun:
                stop(number, frame)
                return
            self.begun = True
            loop.call_soon_threadsafe(loop.call_later, self._notice_s, stop, number, None)

        signal.signal(signal.SIGTERM, begin)


class CloseWhenDraining:
    """ASGI middleware: a kept connection would bring its next request to a closed door."""

    def __init__(self, app: ASGIApp, drain: Drain) -> None:
        self._app = app
        self._drain = drain

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not self._drain.begun:
            await self._app(scope, receive, send)
            return

        async def last(message: Message) -> None:
            if message["type"] == "http.response.start":
                close = (b"connection", b"close")
                message = {**message, "headers": [*message["headers"], close]}
            await send(message)

        await self._app(scope, receive, last)
