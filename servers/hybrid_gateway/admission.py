"""Which requests the gateway takes, and how long it works on one."""

import asyncio
import time
from collections.abc import Awaitable
from functools import partial
from typing import TypeVar

from starlette.types import ASGIApp, Receive, Scope, Send

from servers.http_limits import ARRIVAL, Arrival
from servers.http_service import COUNTED_PATHS, unavailable
from servers.hybrid_gateway.pulse import Late, Pulse, Unavailable
from servers.hybrid_gateway.triton_model import LATE

_GONE = "expected a caller who waits for the answer, found the connection closed."

T = TypeVar("T")


class Admission:
    """ASGI middleware: answers 503 at once to a predict request that cannot be answered in time.

    Like the limit on requests in progress it comes before all that costs time.
    """

    def __init__(self, app: ASGIApp, deadline_s: float) -> None:
        self._app = app
        self._deadline_s = deadline_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] not in COUNTED_PATHS:
            await self._app(scope, receive, send)
            return
        pulse: Pulse = scope["app"].state.gateway.model.pulse
        reason = pulse.down or self._refusal(arrival_of(scope))
        app = self._app if reason is None else unavailable(reason)
        await app(scope, receive, send)

    def _refusal(self, arrival: Arrival) -> str | None:
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
