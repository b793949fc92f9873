"""The law of a simulated service, and the queue that follows it exactly. No clock, no sockets."""

from collections import deque
from collections.abc import Mapping
from functools import cache
from typing import Annotated, Generic, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

N_DRAWS = 100_000
"""Different service times of the exponential law; request N_DRAWS starts over."""

T = TypeVar("T")
Milliseconds = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=0)]


class LawError(ValueError):
    """Options that are no law, as one sentence for the author of the variant."""


class Law(BaseModel):
    """One worker that takes up to max_batch waiting requests at a time, in order of arrival.

    A batch takes service_ms, plus item_ms for each request in it, plus leak_ms for each request
    since the law began. "exponential" multiplies that by the k-th of N_DRAWS unit exponentials
    from numpy's default_rng(seed), k the number of the batch's first request. The worker rests in
    the last stall_ms of every stall_every_ms. Requests errors_from to errors_to (not included)
    get HTTP 500 at once; of drop_every requests the last loses its connection without a reply;
    after miscount_every successes /stats counts one too many; answer is the label. 0: no such
    fault. Requests are numbered from 0.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    distribution: Literal["fixed", "exponential"]
    service_ms: Milliseconds
    item_ms: Milliseconds
    max_batch: Annotated[int, Field(ge=1)]
    seed: Count
    stall_every_ms: Milliseconds
    stall_ms: Milliseconds
    leak_ms: Milliseconds
    errors_from: Count
    errors_to: Count
    drop_every: Count
    miscount_every: Count
    answer: Annotated[str, Field(min_length=1)]

    @classmethod
    def from_options(cls, options: Mapping[str, object]) -> "Law":
        try:
            law = cls.model_validate(dict(options))
        except ValidationError as error:
            problem = error.errors()[0]
            where = ".".join(str(step) for step in problem["loc"])
            raise LawError(
                f"options.{where}: {problem['msg']}, found {problem['input']!r}: correct it."
            ) from error
        if law.stall_ms and law.stall_ms >= law.stall_every_ms:
            raise LawError(
                f"expected stall_ms below stall_every_ms, found {law.stall_ms:g} and "
                f"{law.stall_every_ms:g}: the service would never work."
            )
        if law.stall_ms and law.max_batch > 1:
            raise LawError(
                f"expected max_batch = 1 where stall_ms is set, found {law.max_batch}: which "
                "requests a resting worker takes together is not defined; use one of the two."
            )
        return law

    def fails(self, number: int) -> bool:
        return self.errors_from <= number < self.errors_to

    def drops(self, number: int) -> bool:
        return bool(self.drop_every) and number % self.drop_every == self.drop_every - 1

    def counted(self, n_ok: int) -> int:
        """The successes that /stats shows after n_ok."""
        return n_ok + (n_ok // self.miscount_every if self.miscount_every else 0)


@cache
def _draws(distribution: str, seed: int) -> NDArray[np.float64]:
    if distribution == "fixed":
        return np.ones(1)
    return np.random.default_rng(seed).exponential(size=N_DRAWS)


class Queue(Generic[T]):
    """Requests in order of arrival and when each is done; times in seconds, the law begins at 0."""

    def __init__(self, law: Law) -> None:
        self._law = law
        self._waiting: deque[tuple[float, int, T]] = deque()
        self._free_s = 0.0
        self._draws = _draws(law.distribution, law.seed)

    def idle(self, now_s: float) -> bool:
        return not self._waiting and self._free_s <= now_s

    def arrive(self, at_s: float, number: int, item: T) -> None:
        """Request number arrives; calls come in order of time."""
        self._waiting.append((at_s, number, item))

    def start(self, now_s: float) -> list[tuple[float, list[T]]]:
        """The batches that begin by now_s, each with the time at which it is done.

        The last one ends later than now_s, or nothing waits: call again then, and at each arrival.
        """
        begun = []
        while self._waiting and (start_s := max(self._free_s, self._waiting[0][0])) <= now_s:
            first = self._waiting[0][1]
            items: list[T] = []
            # Who came while the last batch ran is in; who came after this one began is not.
            while self._waiting and len(items) < self._law.max_batch:
                if self._waiting[0][0] > start_s:
                    break
                items.append(self._waiting.popleft()[2])
            self._free_s = self._end(start_s, self._work_s(first, len(items)))
            begun.append((self._free_s, items))
        return begun

    def _work_s(self, first: int, size: int) -> float:
        law = self._law
        ms = law.service_ms + law.item_ms * size + law.leak_ms * first
        return ms / 1000 * float(self._draws[first % len(self._draws)])

    def _end(self, start_s: float, work_s: float) -> float:
        every_s, rest_s = self._law.stall_every_ms / 1000, self._law.stall_ms / 1000
        if not rest_s:
            return start_s + work_s
        period = int(start_s // every_s)
        while True:
            begins_s = max(start_s, period * every_s)
            left_s = max(0.0, (period + 1) * every_s - rest_s - begins_s)
            if work_s <= left_s:
                return begins_s + work_s
            work_s -= left_s
            period += 1
