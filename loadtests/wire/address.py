"""Where a contender listens, and what it speaks there."""

from dataclasses import dataclass

from loadtests.wire.formats import CONTRACT_WIRES, Wire
from servers.discovery import Protocol


@dataclass(frozen=True)
class Address:
    """Where a contender listens. An external one has a wire of its own, and its name, so that a
    failure says whose it was."""

    protocol: Protocol
    host: str
    port: int
    foreign_wire: Wire | None = None
    name: str = ""

    @property
    def wire(self) -> Wire:
        return self.foreign_wire or CONTRACT_WIRES[self.protocol]

    @property
    def url(self) -> str:
        scheme = "http" if self.protocol == "http-json" else "grpc"
        return f"{scheme}://{self.host}:{self.port}"
