"""Lets in who is known. It comes before the body is read: a stranger's megabytes are the dearest
thing about him, and who waits for `100 Continue` never sends them."""

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from servers.http_service import COUNTED_PATHS
from servers.hybrid_gateway.clients import (
    OPERATIONS,
    PREDICT,
    Client,
    Credentials,
    Denied,
    credential_in,
    require,
)
from servers.hybrid_gateway.facts import facts_of

OPEN_PATHS = frozenset({"/health/live", "/health/ready"})
"""What a load balancer asks, which has no key."""
_REALM = 'Bearer realm="text classifier"'


class Authenticate:
    """ASGI middleware: 401 to a caller who is not known, 403 where he may not do what he asks."""

    def __init__(self, app: ASGIApp, credentials: Credentials) -> None:
        self._app = app
        self._credentials = credentials

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in OPEN_PATHS:
            await self._app(scope, receive, send)
            return
        try:
            facts_of(scope).client = self._admitted(scope).name
        except Denied as denied:
            await _refusal(denied)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _admitted(self, scope: Scope) -> Client:
        client = self._credentials.client(credential_in(scope["headers"]))
        require(client, PREDICT if scope["path"] in COUNTED_PATHS else OPERATIONS)
        return client


def _refusal(denied: Denied) -> JSONResponse:
    challenge = ", ".join(filter(None, (_REALM, denied.challenge)))
    return JSONResponse({"detail": str(denied)}, denied.status, {"www-authenticate": challenge})
