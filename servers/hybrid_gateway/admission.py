"""Which requests the gateway takes, and how long it works on one."""

import asyncio
import math
import time
from collections.abc import Awaitable
from functools import partial
from typing import TypeVar

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from servers.http_limits import ARRIVAL, Arrival
from servers.http_service import COUNTED_PATHS, unavailable
from servers.hybrid_gateway.breaker import Breaker
from servers.hybrid_gateway.pulse import Late, Pulse, Unavailable
from servers.hybrid_gateway.triton_model import LATE
from servers.refusals import note_reason

_GONE = "expected a caller who waits for the answer, found the connection closed."
_OPEN = "Triton failed one request after another: try again later."

T = TypeVar("T")


class Gone(Unavailable):
    """Nobody waits for the answer any more."""

    reason = "caller-gone"


class BreakerOpen(Unavailable):
    """Triton is not asked for now; retry_after_s says when it will be."""

    reason = "breaker-open"

    def __init__(self, wait_s: float) -> None:
        super().__init__(_OPEN)
        self.retry_after_s = math.ceil(wait_s)


class Admission:
    """ASGI middleware: answers 503 at once to a predict request that cannot be answered in time.

    Like the limit on requests in progress it comes before all that costs time.
    """

    def __init__(self, app: ASGIApp, deadline_s: float, breaker: Breaker | None = None) -> None:
        self._app = app
        self._deadline_s = deadline_s
        self._breaker = breaker

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] not in COUNTED_PATHS:
            await self._app(scope, receive, send)
            return
        pulse: Pulse = scope["app"].state.gateway.model.pulse
        refusal = self._refusal(arrival_of(scope), pulse)
        app = self._app if refusal is None else refused(refusal, scope)
        await app(scope, receive, send)

    def _refusal(self, arrival: Arrival, pulse: Pulse) -> Unavailable | None:
        if pulse.down is not None:
            return Unavailable(pulse.down)
        if arrival.gone:
            return Gone(_GONE)
        now_s = time.monotonic()
        if now_s - arrival.received_s > self._deadline_s:
            return Late(LATE)
        # Last: whom it lets through while it is open is a trial, and must be asked.
        wait_s = self._breaker.wait_s(now_s) if self._breaker else 0.0
        return BreakerOpen(wait_s) if wait_s else None


def refused(refusal: Unavailable, scope: Scope) -> JSONResponse:
    """The answer, its reason noted."""
    note_reason(scope, refusal.reason)
    answer = unavailable(str(refusal))
    answer.headers["retry-after"] = str(refusal.retry_after_s)
    return answer


def arrival_of(scope: Scope) -> Arrival:
    """When the whole request had come: what it then waited for a busy gateway counts too."""
    arrival: Arrival = scope["state"].setdefault(ARRIVAL, Arrival(time.monotonic()))
    return arrival


async def in_time(work: Awaitable[T], arrival: Arrival, deadline_s: float) -> T:
    """What work returns; it is cancelled, and Unavailable raised, when the deadline of the request
    has passed (Late) or its caller has gone away (Gone)."""
    try:
        # The event loop's clock is the monotonic one.
        async with asyncio.timeout_at(arrival.received_s + deadline_s) as limit:
            arrival.on_gone = partial(_give_up, limit)
            return await work
    except TimeoutError:
        raise Gone(_GONE) if arrival.gone else Late(LATE) from None
    finally:
        arrival.on_gone = None


def _give_up(limit: asyncio.Timeout) -> None:
    if not limit.expired():
        limit.reschedule(0.0)
