"""How long a call may take, and whether it is asked again."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from servers.triton_service.client.errors import UsageError

_LEAST_S = 0.001
"""gRPC takes no deadline that has passed."""


@dataclass(frozen=True)
class Deadline:
    """One for all that a call takes: descriptions, attempts and the pauses between them."""

    within_s: float
    end_s: float

    @classmethod
    def starting_now(cls, within_s: float) -> "Deadline":
        if not within_s > 0:
            raise UsageError(f"expected a deadline above 0 s, found {within_s:g} s: correct it.")
        return cls(within_s, time.monotonic() + within_s)

    def left_s(self) -> float:
        return max(_LEAST_S, self.end_s - time.monotonic())


@dataclass(frozen=True)
class Retry:
    """Whoever gives it says that asking again does no harm.

    Asked again is what Triton did not take (BusyError) and what it may have taken before the
    connection was lost (UnreachableError): never what was refused, what failed or what is late.
    """

    attempts: int = 3
    first_pause_s: float = 0.05
    longest_pause_s: float = 1.0

    def pause_s(self, n_failed: int, draw: Callable[[], float] = random.random) -> float | None:
        """Before the next attempt; None: there is none. Pauses double, and are drawn from the
        upper half, so that callers who failed together do not come back together."""
        if n_failed >= self.attempts:
            return None
        longest_s = min(self.first_pause_s * 2.0 ** (n_failed - 1), self.longest_pause_s)
        return longest_s * (0.5 + draw() / 2)


@dataclass(frozen=True)
class Terms:
    """On what terms a call is made."""

    deadline: Deadline
    retry: Retry | None = None
