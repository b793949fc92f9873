"""Where a Triton is, and by which protocol it is asked."""

from dataclasses import dataclass
from typing import Literal, get_args
from urllib.parse import urlsplit

from servers.triton_service.client.errors import UsageError

Protocol = Literal["grpc", "http"]


@dataclass(frozen=True)
class Address:
    """place is host and port, as tritonclient takes them."""

    protocol: Protocol
    place: str

    def __str__(self) -> str:
        return f"{self.protocol}://{self.place}"


def address_of(url: str) -> Address:
    parts = urlsplit(url)
    try:
        complete = bool(parts.hostname and parts.port) and parts.path in ("", "/")
    except ValueError:  # a port that is no number
        complete = False
    known: tuple[Protocol, ...] = get_args(Protocol)
    for protocol in known:
        if complete and parts.scheme == protocol:
            return Address(protocol, parts.netloc)
    raise UsageError(f"expected grpc://HOST:PORT or http://HOST:PORT, found {url!r}: correct it.")
