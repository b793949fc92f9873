"""The batching loop of the inference worker."""

import logging
import time
from collections.abc import Iterator
from queue import Empty, Queue
from typing import Any

import litserve as ls
from litserve.loops.base import LitLoop
from litserve.transport.base import MessageTransport
from litserve.utils import LitAPIStatus, LoopResponseType

logger = logging.getLogger(__name__)
Entry = tuple[int, str, float, Any]
"""Of the request queue: response_queue_id, uid, time put (monotonic seconds), request."""


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
        try:
            inputs = [lit_api.decode_request(request) for _, _, _, request in entries]
            outputs = lit_api.unbatch(lit_api.predict(lit_api.batch(inputs)))
            answers = [(lit_api.encode_response(output), LitAPIStatus.OK) for output in outputs]
        except Exception as error:
            logger.exception("a batch of %d texts failed", len(entries))
            answers = [(repr(error), LitAPIStatus.ERROR)] * len(entries)
        for (queue_id, uid, _, _), (answer, status) in zip(entries, answers, strict=True):
            self.put_response(transport, queue_id, uid, answer, status, LoopResponseType.REGULAR)


def gather(queue: "Queue[Entry]", max_size: int, timeout_s: float) -> Iterator[Entry]:
    """Waits for one entry, then yields those that come within timeout_s of it."""
    yield queue.get()
    deadline_s = time.monotonic() + timeout_s
    for _ in range(max_size - 1):
        try:
            yield queue.get(timeout=max(0.0, deadline_s - time.monotonic()))
        except Empty:
            return
