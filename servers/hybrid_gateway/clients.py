"""Who calls the gateway, what he may do, and how he is told that he may not."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

PREDICT, OPERATIONS = "predict", "operations"
SCOPES = (PREDICT, OPERATIONS)
"""operations: counters, metrics and the description of the API."""


@dataclass(frozen=True)
class Client:
    name: str
    scopes: frozenset[str]


class Denied(Exception):
    """A request that is not let in; the message is for its caller, challenge for his program."""

    def __init__(self, status: int, detail: str, challenge: str = "") -> None:
        super().__init__(detail)
        self.status = status
        self.challenge = challenge


class Credentials(Protocol):
    """Those who are known."""

    def client(self, credential: bytes) -> Client:
        """Whose it is; Denied where it is nobody's."""


def invalid(found: str) -> Denied:
    """The 401 for a credential that was given and is worth nothing."""
    return Denied(401, f"expected a valid key or token, found {found}.", 'error="invalid_token"')


def require(client: Client, scope: str) -> None:
    """Denied (403) where the client is known and this is not his to do."""
    if scope not in client.scopes:
        raise Denied(
            403,
            f"expected a client with the scope {scope!r}, found {client.name!r} without it.",
            f'error="insufficient_scope", scope="{scope}"',
        )


def credential_in(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """What the caller shows: the Bearer of Authorization, or X-API-Key; Denied where nothing is."""
    bearers, keys = [], []
    for name, value in headers:
        if name == b"authorization":
            bearers.append(value)
        elif name == b"x-api-key":
            keys.append(value.strip())
    if len(bearers) + len(keys) != 1:
        found = "none" if not bearers + keys else "several"
        raise _missing(found)
    if keys:
        return keys[0]
    scheme, _, credential = bearers[0].strip().partition(b" ")
    if scheme.lower() != b"bearer" or not credential.strip():
        raise _missing("another scheme")
    return credential.strip()


def _missing(found: str) -> Denied:
    return Denied(
        401, f"expected one header Authorization: Bearer KEY, or X-API-Key: KEY, found {found}."
    )
