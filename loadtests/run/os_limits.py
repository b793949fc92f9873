"""What this machine lets a process have, and whether that is enough for an experiment."""

import errno
import math
import resource
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from loadtests.generator.slice_order import MAX_IN_FLIGHT
from loadtests.spec.experiment import Experiment
from loadtests.wire.client_limits import REMEDIES

PORT_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
SPARE_FILES = 128
"""Open files of a process beside its connections."""


@dataclass(frozen=True)
class OsLimits:
    """Hard limits of a process, and the range of local ports; None: unlimited, or not known."""

    open_files: int | None
    processes: int | None
    ephemeral_ports: tuple[int, int] | None


def limits_in_force() -> OsLimits:
    def hard(kind: int) -> int | None:
        limit = resource.getrlimit(kind)[1]
        return None if limit == resource.RLIM_INFINITY else limit

    try:
        low, high = PORT_RANGE.read_text(encoding="ascii").split()
        ports = int(low), int(high)
    except (OSError, ValueError):
        ports = None
    return OsLimits(hard(resource.RLIMIT_NOFILE), hard(resource.RLIMIT_NPROC), ports)


def most_connections(experiment: Experiment) -> int:
    """How many connections a hanging server must accept: each request in flight may need its
    own."""
    load = experiment.load
    rates = [*load.rates_rps, *([experiment.capacity.max_rps] if experiment.capacity else [])]
    waiting = math.ceil(max(rates, default=0.0) * load.request_timeout_s)
    callers = max(load.concurrency, default=0)
    return max(min(waiting, MAX_IN_FLIGHT * load.workers), callers)


def shortages(experiment: Experiment, limits: OsLimits) -> Iterator[str]:
    """A sentence for each limit that the load of the experiment may reach."""
    n = most_connections(experiment)
    follows = "requests beyond fail on the client's side, and their trials are not used"
    if limits.open_files is not None and limits.open_files < n + SPARE_FILES:
        yield (
            f"Up to {n:,} connections at once are planned, and a process may have "
            f"{limits.open_files:,} open files here: {follows}; {REMEDIES[errno.EMFILE]} to "
            f"{n + SPARE_FILES}."
        )
    if limits.ephemeral_ports is None:
        return
    low, high = limits.ephemeral_ports
    if high - low + 1 < n:
        yield (
            f"Up to {n:,} connections at once are planned, and there are {high - low + 1:,} local "
            f"ports here: {follows}; widen net.ipv4.ip_local_port_range."
        )
