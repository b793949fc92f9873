"""Where a contender listens, and what it speaks there."""

from dataclasses import dataclass
from typing import Self

from loadtests.wire.formats import CONTRACT_WIRES, Wire, wire_of
from servers.discovery import Contender, Protocol


@dataclass(frozen=True)
class Address:
    """Where a contender listens. foreign_wire is what it speaks, where that is not what the
    contract says for the protocol. name is that of a service which the study did not start, so that
    a failure says whose it was."""

    protocol: Protocol
    host: str
    port: int
    foreign_wire: Wire | None = None
    name: str = ""

    @classmethod
    def of(cls, contender: Contender, host: str, port: int) -> Self:
        """That of a contender which the study started there."""
        other = wire_of(contender) if contender.wire or contender.headers else None
        return cls(contender.protocol, host, port, other)

    @property
    def wire(self) -> Wire:
        return self.foreign_wire or CONTRACT_WIRES[self.protocol]

    @property
    def url(self) -> str:
        scheme = "http" if self.protocol == "http-json" else "grpc"
        return f"{scheme}://{self.host}:{self.port}"
