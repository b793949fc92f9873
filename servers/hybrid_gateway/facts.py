"""What becomes known of a request beside its body: kept in its scope, read by logs and metrics."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.types import Message, Scope, Send

if TYPE_CHECKING:
    from servers.hybrid_gateway.trace_context import Trace


_FACTS = "facts"
_PATHS = frozenset(
    {
        *("/predict", "/batch_predict", "/health/live", "/health/ready", "/stats", "/metrics"),
        *("/docs", "/openapi.json"),
    }
)
_REASONS = {
    401: "unauthenticated",
    403: "forbidden",
    404: "unknown-path",
    405: "unknown-method",
    413: "too-large",
    422: "invalid",
    429: "rate-limit",
    503: "full",  # of max_in_progress; whatever else is a 503 says its own
}


@dataclass(slots=True)
class Facts:
    """client is a name; empty where nobody has to say who he is. reason says why the request was
    refused, where the status alone would not tell."""

    client: str = ""
    reason: str = ""
    trace: "Trace | None" = None


def facts_of(scope: Scope) -> Facts:
    """Those of one request, the same for all who ask."""
    state = scope.setdefault("state", {})
    facts: Facts | None = state.get(_FACTS)
    if facts is None:
        facts = state[_FACTS] = Facts()
    return facts


def reason_of(scope: Scope, status: int | None) -> str:
    """Why there was no answer of the model, in one word of a closed list; empty: there was one."""
    if status is None:
        return "caller-gone"
    if status < 400:
        return ""
    return facts_of(scope).reason or _REASONS.get(status, "internal")


def known_path(scope: Scope) -> str:
    """The path, where it is one of the gateway's own: any other may hold anything."""
    path: str = scope["path"]
    return path if path in _PATHS else "other"


class Watched:
    """Passes an answer on, and remembers its status; None: nobody was answered."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status: int | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        await self._send(message)
