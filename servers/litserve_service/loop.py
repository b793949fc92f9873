"""The batching loop of the inference worker."""

import logging
import time
from collections.abc import Callable, Iterator
from queue import Empty, Queue
from typing import Any

import litserve as ls
from litserve.loops.base import LitLoop
from litserve.transport.base import MessageTransport
from litserve.utils import LitAPIStatus, LoopResponseType

from servers.http_metrics import Metrics
from servers.litserve_service.spec import ANSWERED_WITHIN_S

logger = logging.getLogger(__name__)
Entry = tuple[int, str, float, Any]
"""Of the request queue: response_queue_id, uid, time put (monotonic seconds), request.

The request None asks whether the worker can answer; nobody waits any more for one that is older
than ANSWERED_WITHIN_S."""


class BlockingBatchLoop(LitLoop):  # type: ignore[misc]  # LitServe ships no types
    """Sleeps until a request comes, then takes what else is queued, up to max_batch_size.

    LitServe's own loop polls: with batch_timeout 0 it never sleeps, and above 0 it wakes each
    millisecond and opens its window before the first request has come.
    """

    def run(
        self,
        lit_api: ls.LitAPI,
        device: str,
        worker_id: int,
        request_queue: "Queue[Entry]",
        transport: MessageTransport,
        workers_setup_status: dict[int, str],
        callback_runner: Any,
    ) -> None:
        entries = list(gather(request_queue, lit_api.max_batch_size, lit_api.batch_timeout))
        oldest_s = time.monotonic() - ANSWERED_WITHIN_S
        queries = [entry for entry in entries if entry[3] is not None and entry[2] > oldest_s]
        probes = [entry for entry in entries if entry[3] is None]
        metrics: Metrics = lit_api.counters.metrics
        metrics.unqueued(*(put_s for _, _, put_s, request in entries if request is not None))

        def answer_queries() -> list[Any]:
            inputs = [lit_api.decode_request(request) for _, _, _, request in queries]
            outputs = lit_api.unbatch(lit_api.predict(lit_api.batch(inputs)))
            return [lit_api.encode_response(output) for output in outputs]

        def answer_probes() -> list[Any]:
            return [lit_api.probe()] * len(probes)

        for asked, work in ((queries, answer_queries), (probes, answer_probes)):
            for (queue_id, uid, _, _), (answer, status) in zip(
                asked, _attempt(work, len(asked)), strict=True
            ):
                self.put_response(
                    transport, queue_id, uid, answer, status, LoopResponseType.REGULAR
                )


def _attempt(work: Callable[[], list[Any]], count: int) -> list[tuple[Any, LitAPIStatus]]:
    """count answers of work, or its one error for each; nothing is done for nobody."""
    if count == 0:
        return []
    try:
        return [(answer, LitAPIStatus.OK) for answer in work()]
    except Exception as error:
        logger.exception("a batch of %d texts failed", count)
        return [(repr(error), LitAPIStatus.ERROR)] * count


def gather(queue: "Queue[Entry]", max_size: int, timeout_s: float) -> Iterator[Entry]:
    """Waits for one entry, then yields those that come within timeout_s of it."""
    yield queue.get()
    deadline_s = time.monotonic() + timeout_s
    for _ in range(max_size - 1):
        try:
            yield queue.get(timeout=max(0.0, deadline_s - time.monotonic()))
        except Empty:
            return
