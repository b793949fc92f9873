"""What becomes known of a request beside its body: kept in its scope, read by logs and metrics."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.types import Message, Scope, Send

if TYPE_CHECKING:
    from servers.hybrid_gateway.trace_context import Trace


_FACTS = "facts"


@dataclass(slots=True)
class Facts:
    """client is a name; empty where nobody has to say who he is."""

    client: str = ""
    trace: "Trace | None" = None


def facts_of(scope: Scope) -> Facts:
    """Those of one request, the same for all who ask."""
    state = scope.setdefault("state", {})
    facts: Facts | None = state.get(_FACTS)
    if facts is None:
        facts = state[_FACTS] = Facts()
    return facts


class Watched:
    """Passes an answer on, and remembers its status; None: nobody was answered."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status: int | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        await self._send(message)
