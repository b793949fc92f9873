"""How many requests are with Triton at once; the others wait for their turn, in their order."""

import asyncio
import time

from servers.http_metrics import Metrics


class Turns:
    """An asynchronous context manager: inside are at most n. How many wait is bounded by
    max_in_progress, and how long by their deadlines."""

    def __init__(self, n: int, metrics: Metrics) -> None:
        self._inside = asyncio.Semaphore(n)
        self._metrics = metrics

    async def __aenter__(self) -> None:
        came_s = time.monotonic()
        self._metrics.queued()
        try:
            await self._inside.acquire()
        finally:
            self._metrics.unqueued(came_s)

    async def __aexit__(self, *_: object) -> None:
        self._inside.release()
