"""How it shows that the load generator's machine had no more of something.

A request that fails for that says nothing about the contender.
"""

import errno
import os
import socket
from collections.abc import Mapping

from loadtests.records.trials import CLIENT_LIMIT

REMEDIES: Mapping[int, str] = {
    errno.EMFILE: "raise the hard limit on open files (ulimit -Hn)",
    errno.ENFILE: "raise fs.file-max or end other programs",
    errno.EADDRNOTAVAIL: "widen net.ipv4.ip_local_port_range or wait a minute for ports in use",
    errno.EAGAIN: "allow more processes (ulimit -u) and local ports, or end other programs",
    errno.ENOBUFS: "give the network more memory (net.ipv4.tcp_mem) or end other programs",
    errno.ENOMEM: "give the machine more memory or end other programs",
}
"""What to do, by the number of an error that this machine caused and no server."""

_OF_RESOLVER = (socket.EAI_MEMORY, socket.EAI_SYSTEM)


def exhausted(error: BaseException) -> int | None:
    """The errno in REMEDIES that error comes from; None where it is no shortage of the client's."""
    if isinstance(error, socket.gaierror):
        return errno.ENOMEM if error.errno in _OF_RESOLVER else None
    if isinstance(error, MemoryError):
        return errno.ENOMEM
    if isinstance(error, OSError) and not isinstance(error, TimeoutError):
        return error.errno if error.errno in REMEDIES else None
    return None


def exhausted_in(words: str) -> int | None:
    """The same for gRPC's UNAVAILABLE, which has no number. "Resource temporarily unavailable" may
    be the server's own word."""
    numbers = (number for number in REMEDIES if number != errno.EAGAIN)
    return next((number for number in numbers if os.strerror(number) in words), None)


def failure_status(error: BaseException) -> str:
    """What the record says of a request that found no connection, or lost it."""
    return "connection" if exhausted(error) is None else CLIENT_LIMIT
