"""Requests wait here for a forward pass, in order of arrival."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

from servers.contract import BatchItem
from servers.http_metrics import Metrics


@dataclass(frozen=True)
class Query:
    """One request; its texts go through the network together."""

    texts: Sequence[str]
    max_length: int


Answers = Sequence[list[BatchItem]]
_Waiting = tuple[Query, "asyncio.Future[list[BatchItem]]", float]
"""With when it came, in monotonic seconds."""


class PassQueue:
    """Calls `run` with the requests that have gathered while the pass before was running, up to
    max_texts of them at a time.

    at_once calls run at a time, in `pool`. Without a pool the one call runs on the event loop,
    which parses, refuses and answers whatever has come between two of them: so health is answered
    after one pass, not after all that wait.
    """

    def __init__(
        self,
        run: Callable[[Sequence[Query]], Answers],
        max_texts: int,
        at_once: int,
        pool: Executor | None,
        metrics: Metrics | None = None,
    ) -> None:
        self._run = run
        self._max_texts = max_texts
        self._at_once = at_once
        self._pool = pool
        self._metrics = metrics or Metrics()
        self._waiting: deque[_Waiting] = deque()
        self._n_workers = 0
        self._tasks: set[asyncio.Task[None]] = set()  # the event loop itself holds them weakly

    async def answer(self, query: Query) -> list[BatchItem]:
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[list[BatchItem]] = loop.create_future()
        self._waiting.append((query, answered, time.monotonic()))
        self._metrics.queued()
        if self._n_workers < self._at_once:
            self._n_workers += 1
            # It begins after all that has come with this request: they are one batch.
            task = loop.create_task(self._work())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await answered

    async def _work(self) -> None:
        while self._waiting:
            taken = self._take()
            queries = [query for query, _, _ in taken]
            self._metrics.unqueued(*(came_s for _, _, came_s in taken))
            try:
                if self._pool is None:
                    answers = self._run(queries)
                else:
                    loop = asyncio.get_running_loop()
                    answers = await loop.run_in_executor(self._pool, self._run, queries)
            except Exception as error:
                for _, answered, _ in taken:
                    _settle(answered, error)
            else:
                for (_, answered, _), items in zip(taken, answers, strict=True):
                    _settle(answered, items)
            await asyncio.sleep(0)  # the event loop looks at its sockets
        self._n_workers -= 1

    def _take(self) -> list[_Waiting]:
        taken = [self._waiting.popleft()]
        n_texts = len(taken[0][0].texts)
        while self._waiting and n_texts + len(self._waiting[0][0].texts) <= self._max_texts:
            taken.append(self._waiting.popleft())
            n_texts += len(taken[-1][0].texts)
        return taken


def _settle(
    answered: "asyncio.Future[list[BatchItem]]", outcome: list[BatchItem] | Exception
) -> None:
    """Tells the caller, unless it waits no longer."""
    if answered.done():
        return
    if isinstance(outcome, Exception):
        answered.set_exception(outcome)
    else:
        answered.set_result(outcome)
