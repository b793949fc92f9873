"""Which requests the gateway takes, and how long it works on one."""

import asyncio
import time
from collections.abc import Awaitable
from functools import partial
from typing import TypeVar

from fastapi.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from servers.http_limits import ARRIVAL, Arrival
from servers.http_service import COUNTED_PATHS, TRY_AGAIN
from servers.hybrid_gateway.pulse import Late, Pulse, Unavailable
from servers.hybrid_gateway.triton_model import LATE

MAX_IN_PROGRESS = 512
"""By Little's law what 256 requests/s hold when each takes the whole deadline of 2 s, and 5,120
requests/s at 100 ms: a slower server answers no more of a longer queue in time."""
_FULL = "expected at most {} requests in progress, found as many: try again later."
_GONE = "expected a caller who waits for the answer, found the connection closed."

T = TypeVar("T")


def unavailable(reason: str) -> JSONResponse:
    return JSONResponse({"detail": reason}, 503, TRY_AGAIN)


class Admission:
    """ASGI middleware: answers 503 at once to a predict request that cannot be answered in time.

    It comes before all that costs time: what the gateway must refuse is what it has too much of.
    """

    def __init__(self, app: ASGIApp, deadline_s: float, max_in_progress: int) -> None:
        self._app = app
        self._deadline_s = deadline_s
        self._max_in_progress = max_in_progress
        self._in_progress = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] not in COUNTED_PATHS:
            await self._app(scope, receive, send)
            return
        pulse: Pulse = scope["app"].state.gateway.model.pulse
        reason = pulse.down or self._refusal(arrival_of(scope))
        if reason is not None:
            await unavailable(reason)(scope, receive, send)
            return
        self._in_progress += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._in_progress -= 1

    def _refusal(self, arrival: Arrival) -> str | None:
        if self._in_progress >= self._max_in_progress:
            return _FULL.format(self._max_in_progress)
        if arrival.gone:
            return _GONE
        if time.monotonic() - arrival.received_s > self._deadline_s:
            return LATE
        return None


def arrival_of(scope: Scope) -> Arrival:
    """When the whole request had come: what it then waited for a busy gateway counts too."""
    arrival: Arrival = scope["state"].setdefault(ARRIVAL, Arrival(time.monotonic()))
    return arrival


async def in_time(work: Awaitable[T], arrival: Arrival, deadline_s: float) -> T:
    """What work returns; it is cancelled, and Unavailable raised, when the deadline of the request
    has passed (Late) or its caller has gone away."""
    try:
        # The event loop's clock is the monotonic one.
        async with asyncio.timeout_at(arrival.received_s + deadline_s) as limit:
            arrival.on_gone = partial(_give_up, limit)
            return await work
    except TimeoutError:
        raise Unavailable(_GONE) if arrival.gone else Late(LATE) from None
    finally:
        arrival.on_gone = None


def _give_up(limit: asyncio.Timeout) -> None:
    if not limit.expired():
        limit.reschedule(0.0)
