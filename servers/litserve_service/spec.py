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
from servers.http_service import BatchPredictBody, PredictBody


class Query(NamedTuple):
    text: str
    max_length: int


class ClassifierSpec(LitSpec):  # type: ignore[misc]  # LitServe ships no types
    """Registers /predict and /batch_predict in place of LitServe's own route.

    LitServe's own would answer 500 to broken JSON and would leave the time of the answer unknown.
    """

    def __init__(self) -> None:
        super().__init__()
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
        uid = uuid.uuid4().hex
        event = asyncio.Event()
        self.response_buffer[uid] = ResponseBufferItem(event=event)
        self.request_queue.put((self.response_queue_id, uid, time.monotonic(), query))
        try:
            await event.wait()
        finally:
            item = self.response_buffer.pop(uid)
        answer: Prediction
        answer, status = item.response
        if status == LitAPIStatus.ERROR:
            raise HTTPException(500, "the inference worker failed; its log has the cause")
        return answer

    def decode_request(self, request: Any, context_kwargs: Any = None) -> Any:
        return request

    def encode_response(self, output: Any, context_kwargs: Any = None) -> Any:
        return output
