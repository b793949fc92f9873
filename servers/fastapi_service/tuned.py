"""The per-request service as it should be written: nothing blocks the event loop."""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import anyio.to_thread
from fastapi import FastAPI

from servers.classifier import Classifier, load_classifier, placement_from
from servers.contract import (
    LENGTH_BUCKETS,
    BatchItem,
    BatchPredictResponse,
    PredictResponse,
)
from servers.http_service import BatchPredictBody, Counters, PredictBody, require_engine
from servers.launch_args import LaunchArgs

_WARM_UP_WORDS = (1, 10, 30, 60, 120)


class CountedClassifier:
    """A classifier whose forward passes are counted; buckets None: no text alone is padded."""

    def __init__(
        self, classifier: Classifier, counters: Counters, buckets: Sequence[int] | None
    ) -> None:
        self._classifier = classifier
        self._counters = counters
        self._buckets = buckets

    def predict(self, texts: list[str], max_length: int) -> list[BatchItem]:
        encoded = self._classifier.encode(texts, max_length, self._buckets)
        predictions = self._classifier.decode(self._classifier.infer(encoded))
        self._counters.count_execution(encoded.lengths, encoded.input_ids.shape[1])
        return [BatchItem(label=p.label, confidence=p.confidence) for p in predictions]


def create_app(args: LaunchArgs, counters: Counters) -> FastAPI:
    """Loads the model at once; EngineUnavailableError when it cannot run as the options say."""
    engine = require_engine(args)
    placement = placement_from(args.options)
    # Recorded graphs exist for these lengths only: a text of another one would be padded by the
    # engine, where the counters do not see it.
    buckets = LENGTH_BUCKETS if placement.cuda_graphs else None
    threads_per_pass = int(args.options["threads_per_pass"])
    concurrent_passes = max(1, args.threads // threads_per_pass)
    classifier = load_classifier(args.model_dir, engine, threads_per_pass, placement)
    for words in _WARM_UP_WORDS:
        classifier.predict(["warm " * words], buckets=buckets)
    counted = CountedClassifier(classifier, counters, buckets)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        # Requests over the limit wait on the event loop in order of arrival. A semaphore inside
        # the handler would park each of them in a thread, and those would compete for the GIL.
        anyio.to_thread.current_default_thread_limiter().total_tokens = concurrent_passes
        yield

    app = FastAPI(
        title="Text classifier, per request, tuned",
        summary=f"FastAPI with {engine}: {concurrent_passes} forward passes at a time.",
        lifespan=lifespan,
    )

    @app.post("/predict", summary="Classify one text")
    def predict(request: PredictBody) -> PredictResponse:
        start_s = time.perf_counter()
        answer = counted.predict([request.text], request.max_length)[0]
        latency_ms = (time.perf_counter() - start_s) * 1000
        return PredictResponse(
            label=answer.label, confidence=answer.confidence, latency_ms=latency_ms
        )

    @app.post("/batch_predict", summary="Classify several texts in one forward pass")
    def batch_predict(request: BatchPredictBody) -> BatchPredictResponse:
        start_s = time.perf_counter()
        answers = counted.predict(request.texts, request.max_length)
        latency_ms = (time.perf_counter() - start_s) * 1000
        return BatchPredictResponse(predictions=answers, latency_ms=latency_ms)

    return app
