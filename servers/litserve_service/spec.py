"""The project's HTTP routes on LitServe: each text becomes one entry of its request queue."""

import asyncio
import time
import uuid
from typing import Any, NamedTuple

from fastapi import HTTPException
from litserve.specs.base import LitSpec
from litserve.utils import LitAPIStatus, ResponseBufferItem

from servers.classifier import Prediction
from servers.contract import BatchItem, BatchPredictResponse, PredictResponse
from servers.http_metrics import Metrics
from servers.http_service import TRY_AGAIN, BatchPredictBody, PredictBody
from servers.litserve_service.pulse import SILENT_AFTER_S, Pulse

ANSWERED_WITHIN_S = 30.0
"""From a whole request to its answer by the worker, beyond any experiment's own limit: it ends what
would wait for ever. How long a request may take to arrive is servers.contract.ARRIVES_WITHIN_S."""


class Query(NamedTuple):
    text: str
    max_length: int


class ClassifierSpec(LitSpec):  # type: ignore[misc]  # LitServe ships no types
    """Registers /predict and /batch_predict in place of LitServe's own route.

    LitServe's own would answer 500 to broken JSON and would leave the time of the answer unknown.
    """

    def __init__(self, metrics: Metrics | None = None) -> None:
        super().__init__()
        self._metrics = metrics or Metrics()
        self.pulse = Pulse(self._probe)
        self.api_path = "/predict"
        self.add_endpoint("/predict", self.predict, ["POST"])
        self.add_endpoint("/batch_predict", self.batch_predict, ["POST"])

    async def predict(self, request: PredictBody) -> PredictResponse:
        start_s = time.perf_counter()
        answer = await self._answer(Query(request.text, request.max_length))
        latency_ms = (time.perf_counter() - start_s) * 1000
        return PredictResponse(
            label=answer.label, confidence=answer.confidence, latency_ms=latency_ms
        )

    async def batch_predict(self, request: BatchPredictBody) -> BatchPredictResponse:
        start_s = time.perf_counter()
        answers = await asyncio.gather(
            *(self._answer(Query(text, request.max_length)) for text in request.texts)
        )
        items = [BatchItem(label=a.label, confidence=a.confidence) for a in answers]
        latency_ms = (time.perf_counter() - start_s) * 1000
        return BatchPredictResponse(predictions=items, latency_ms=latency_ms)

    async def _answer(self, query: Query) -> Prediction:
        if self.pulse.is_silent():
            raise _unavailable(f"has answered nothing for {SILENT_AFTER_S:g} s")
        try:
            async with asyncio.timeout(ANSWERED_WITHIN_S):
                answer, status = await self._through_worker(query)
        except TimeoutError:
            self.pulse.ask()  # so that later requests need not wait as long
            raise _unavailable(f"did not answer within {ANSWERED_WITHIN_S:g} s") from None
        if status == LitAPIStatus.ERROR:
            raise HTTPException(500, "the inference worker failed; its log has the cause")
        prediction: Prediction = answer
        return prediction

    async def _probe(self) -> bool:
        _, status = await self._through_worker(None)
        return bool(status == LitAPIStatus.OK)

    async def _through_worker(self, query: Query | None) -> tuple[Any, LitAPIStatus]:
        """The worker's answer and status; without a query it is asked whether it can answer."""
        uid = uuid.uuid4().hex
        event = asyncio.Event()
        self.response_buffer[uid] = ResponseBufferItem(event=event)
        if query is not None:
            self._metrics.queued()
        self.request_queue.put((self.response_queue_id, uid, time.monotonic(), query))
        try:
            await event.wait()
        finally:
            item = self.response_buffer.pop(uid)
        answer, status = item.response
        if status == LitAPIStatus.OK:
            self.pulse.answered()
        return answer, status

    def decode_request(self, request: Any, context_kwargs: Any = None) -> Any:
        return request

    def encode_response(self, output: Any, context_kwargs: Any = None) -> Any:
        return output


def _unavailable(what: str) -> HTTPException:
    detail = f"The inference worker {what}: try again later."
    return HTTPException(503, detail, TRY_AGAIN)
