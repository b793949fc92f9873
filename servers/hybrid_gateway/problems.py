"""Refusals as problem details (RFC 9457) instead of the contract's one sentence alone."""

import json
from http import HTTPStatus

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from servers.contract import Problem
from servers.http_limits import PatientProtocol
from servers.hybrid_gateway.facts import facts_of
from servers.refusals import reason_of

MEDIA_TYPE = "application/problem+json"


class ProblemDetails(Problem):
    """type is about:blank: title and status say what it is, reason which of the closed list."""

    type: str = "about:blank"
    title: str
    status: int
    reason: str = ""
    request_id: str = ""


def problem(status: int, detail: str, reason: str = "", request_id: str = "") -> bytes:
    found: dict[str, object] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    }
    more = {"reason": reason, "request_id": request_id}
    return json.dumps(found | {name: value for name, value in more.items() if value}).encode()


class WriteProblems:
    """ASGI middleware: whatever is refused below it in one sentence is a problem document."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        held: Message | None = None

        async def write(message: Message) -> None:
            nonlocal held
            if message["type"] == "http.response.start" and message["status"] >= 400:
                held = message
                return
            if held is not None:
                start, held = held, None
                for part in _rewritten(scope, start, message):
                    await send(part)
                return
            await send(message)

        await self._app(scope, receive, write)


def _rewritten(scope: Scope, start: Message, body: Message) -> tuple[Message, Message]:
    """The beginning of an answer and the first part of its body, which holds all that is said."""
    detail = _detail(body.get("body", b""))
    if detail is None:
        return start, body
    status: int = start["status"]
    trace = facts_of(scope).trace
    document = problem(status, detail, reason_of(scope, status), trace.request_id if trace else "")
    ours = {
        b"content-type": MEDIA_TYPE.encode(),
        b"content-length": b"%d" % len(document),
    }
    others = [(name, value) for name, value in start["headers"] if name.lower() not in ours]
    return {**start, "headers": [*others, *ours.items()]}, {**body, "body": document}


def _detail(body: bytes) -> str | None:
    try:
        said = json.loads(body)
    except ValueError:
        return None
    detail = said.get("detail") if isinstance(said, dict) else None
    return detail if isinstance(detail, str) else None


class ProblemProtocol(PatientProtocol):
    """What is refused before there is a request (too slow, too large a head, no HTTP) likewise."""

    refusal_media_type = MEDIA_TYPE

    @staticmethod
    def refusal(status: int, detail: str) -> bytes:
        return problem(status, detail)
