"""On what terms one request is worked on: until when, and what Triton is told of it."""

import re
import time
from dataclasses import dataclass

from servers.http_limits import Arrival
from servers.hybrid_gateway.trace_context import Trace

TIMEOUT_HEADER = "x-request-timeout"
_SECONDS = re.compile(r"[0-9]{1,6}(\.[0-9]{1,6})?", re.ASCII)
_LEAST_S = 0.001
"""gRPC takes no deadline that has passed."""


class TimeoutHeaderError(ValueError):
    """A caller's deadline that is none."""


@dataclass(frozen=True, slots=True)
class Call:
    """Its deadline is within_s after it had come whole; is_callers: because he asked for that, and
    it is shorter than the gateway's own."""

    arrival: Arrival
    within_s: float
    is_callers: bool = False
    trace: Trace | None = None

    @property
    def left_s(self) -> float:
        return max(_LEAST_S, self.arrival.received_s + self.within_s - time.monotonic())


def asked_s(header: str | None) -> float | None:
    """The seconds that X-Request-Timeout asks for; None: it was not sent."""
    if header is None:
        return None
    seconds = float(header) if _SECONDS.fullmatch(header) else 0.0
    if not seconds:
        raise TimeoutHeaderError(
            f"{TIMEOUT_HEADER}: expected seconds above 0 such as 0.5, found {header[:32]!r}."
        )
    return seconds
