"""Whether the inference worker answers, seen from the HTTP process."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

FRESH_S = 1.0
"""An answer this recent shows that the worker lives."""
READY_WITHIN_S = 2.0
"""What the worker may take to answer a probe before readiness says that it does not."""
SILENT_AFTER_S = 10.0
"""Unanswered for so long, with a probe waiting, it is known to be down. A batch of long texts
through a large model takes seconds on one core: a shorter time would refuse what is only slow."""


class Pulse:
    """probe asks the worker for one forward pass and returns whether it went well."""

    def __init__(self, probe: Callable[[], Coroutine[Any, Any, bool]]) -> None:
        self._probe = probe
        self._waiting: asyncio.Task[bool] | None = None
        self._asked_s = 0.0
        self._answered_s = float("-inf")

    def answered(self) -> None:
        """To be called with every answer that is not an error."""
        self._answered_s = time.monotonic()

    def ask(self) -> "asyncio.Task[bool]":
        """Sends a probe, unless one is on its way."""
        if self._waiting is None or self._waiting.done():
            self._asked_s = time.monotonic()
            self._waiting = asyncio.create_task(self._probe())
        return self._waiting

    async def is_ready(self) -> bool:
        """At once where an answer is fresh, else after READY_WITHIN_S at the latest."""
        start_s = time.monotonic()
        if start_s - self._answered_s < FRESH_S:
            return True
        probe = self.ask()
        left_s = self._asked_s + READY_WITHIN_S - start_s
        await asyncio.wait({probe}, timeout=max(0.0, left_s))
        return self._answered_s >= start_s

    def is_silent(self) -> bool:
        """Whether a request would only wait."""
        if self._waiting is None or self._waiting.done():
            return False
        return time.monotonic() - max(self._asked_s, self._answered_s) > SILENT_AFTER_S
