"""Whether Triton answers: the requests show it, and one canary at a time where they do not."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import ClassVar

FRESH_S = 1.0
"""An answer this recent shows that Triton lives."""
CANARY_WITHIN_S = 1.0
CANARY_EVERY_S = 0.5


class Unavailable(RuntimeError):
    """Triton did not answer in time, or not at all; reason is what logs and metrics call it."""

    reason: ClassVar[str] = "triton-unavailable"
    retry_after_s: int = 1


class Late(Unavailable):
    """Triton did not answer in time."""

    reason = "deadline"


class Pulse:
    """canary is one small inference with a deadline of CANARY_WITHIN_S; Unavailable where it fails.

    down says why requests would fail; None: it is not known that they would. A canary that fails
    shows it, but one that is only late does so when nothing was answered for silent_after_s: a
    large batch delays everything behind it.
    """

    def __init__(self, canary: Callable[[], Awaitable[object]], silent_after_s: float) -> None:
        self._canary = canary
        self._silent_after_s = silent_after_s
        self._answered_s = float("-inf")
        self._examination: asyncio.Task[None] | None = None
        self._verdict: asyncio.Future[bool]
        self.down: str | None = None
        self.on_down: Callable[[bool], object] = lambda _: None

    def answered(self) -> None:
        """To be called with every answer of the model."""
        self._answered_s = time.monotonic()
        self._say(None)

    def doubt(self, since_s: float | None = None) -> None:
        """Sends canaries until Triton answers, unless that is under way.

        since_s: from when on a request has waited in vain (monotonic seconds).
        """
        if self._examination is None or self._examination.done():
            self._verdict = asyncio.get_running_loop().create_future()
            self._examination = asyncio.create_task(
                self._examine(time.monotonic() if since_s is None else since_s)
            )

    async def is_ready(self) -> bool:
        """At once where an answer is fresh or a canary has just failed, else when the canary that
        is on its way has its answer or is late."""
        if self.down is None and time.monotonic() - self._answered_s < FRESH_S:
            return True
        self.doubt()
        verdict = self._verdict
        await asyncio.wait({verdict})  # cancelled, it leaves the verdict to the others who wait
        return verdict.result()

    def _say(self, down: str | None) -> None:
        if (self.down is None) != (down is None):
            self.on_down(down is not None)
        self.down = down

    def stop(self) -> None:
        if self._examination is not None:
            self._examination.cancel()

    async def _examine(self, since_s: float) -> None:
        while not await self._ask(since_s):
            self._verdict = asyncio.get_running_loop().create_future()

    async def _ask(self, since_s: float) -> bool:
        asked_s = time.monotonic()
        problem: Unavailable | None = None
        try:
            await self._canary()
        except Unavailable as error:
            problem = error
        now_s = time.monotonic()
        silent_s = now_s - max(since_s, self._answered_s)
        alive = self._answered_s >= asked_s  # a request's answer is as good as the canary's
        if not alive and (not isinstance(problem, Late) or silent_s > self._silent_after_s):
            self._say(str(problem))
        self._verdict.set_result(alive)
        if not alive:
            await asyncio.sleep(max(0.0, asked_s + CANARY_EVERY_S - now_s))
        return alive
