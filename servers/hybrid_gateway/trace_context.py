"""Which request is meant, all the way to Triton: request ids and the W3C trace context."""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from servers.hybrid_gateway.facts import facts_of

Headers = Iterable[tuple[bytes, bytes]]

_TRACEPARENT = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_STATE = re.compile(rb"[\x20-\x7e]{1,512}")
_KNOWN_FLAGS = 0b11
"""Sampled, and random trace id: the others have no meaning yet and are not handed on."""


@dataclass(frozen=True, slots=True)
class Trace:
    """span_id is the gateway's own, parent_id that of the caller (empty: the trace begins here)."""

    request_id: str
    trace_id: str
    span_id: str
    parent_id: str = ""
    flags: int = 0
    state: str = ""

    def metadata(self) -> dict[str, str]:
        """What goes with the request to Triton."""
        found = {
            "x-request-id": self.request_id,
            "traceparent": f"00-{self.trace_id}-{self.span_id}-{self.flags:02x}",
        }
        return found | {"tracestate": self.state} if self.state else found


def trace_from(headers: Headers) -> Trace:
    """The caller's trace continued, or a new one where he has none that is valid."""
    parents: list[bytes] = []
    states: list[bytes] = []
    ids: list[bytes] = []
    wanted = {b"traceparent": parents, b"tracestate": states, b"x-request-id": ids}
    for name, value in headers:
        if name in wanted:
            wanted[name].append(value)
    own_id = os.urandom(8).hex()
    parent = _parent(parents)
    if parent is None:
        trace_id = os.urandom(16).hex()
        return Trace(_request_id(ids) or trace_id, trace_id, own_id)
    trace_id, parent_id, flags = parent
    return Trace(
        _request_id(ids) or os.urandom(16).hex(), trace_id, own_id, parent_id, flags, _state(states)
    )


def _parent(given: list[bytes]) -> tuple[str, str, int] | None:
    """Trace id, span id and flags of the only traceparent; None where it is not valid."""
    found = _TRACEPARENT.fullmatch(given[0]) if len(given) == 1 else None
    if found is None:
        return None
    version, trace_id, span_id, flags, more = found.groups()
    if version == b"ff" or (version == b"00" and more):
        return None
    if not (trace_id.strip(b"0") and span_id.strip(b"0")):
        return None
    return trace_id.decode(), span_id.decode(), int(flags, 16) & _KNOWN_FLAGS


def _state(given: list[bytes]) -> str:
    joined = b",".join(given)
    return joined.decode() if _STATE.fullmatch(joined) else ""


def _request_id(given: list[bytes]) -> str:
    return given[0].decode() if len(given) == 1 and _REQUEST_ID.fullmatch(given[0]) else ""


class TraceRequests:
    """ASGI middleware: gives each request its ids, and names the request's in the answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        trace = facts_of(scope).trace = trace_from(scope["headers"])
        header = (b"x-request-id", trace.request_id.encode())

        async def named(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], header]}
            await send(message)

        await self._app(scope, receive, named)
