"""How many requests are with Triton at once; the others wait for their turn, in their order."""

import asyncio
from collections.abc import Callable


class Turns:
    """An asynchronous context manager: inside are at most n. How many wait is bounded by
    max_in_progress, and how long by their deadlines; on_change is called with 1 or -1."""

    def __init__(self, n: int, on_change: Callable[[int], object] = lambda _: None) -> None:
        self._inside = asyncio.Semaphore(n)
        self._on_change = on_change

    async def __aenter__(self) -> None:
        self._on_change(1)
        try:
            await self._inside.acquire()
        finally:
            self._on_change(-1)

    async def __aexit__(self, *_: object) -> None:
        self._inside.release()
