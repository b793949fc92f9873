"""The service as it should be written: a bounded number of requests waits for the model, and the
model runs where that costs least."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from fastapi import FastAPI

from servers.classifier import Classifier, Prediction, load_classifier, placement_from
from servers.classifier.batching import predict_by_bucket
from servers.contract import (
    LENGTH_BUCKETS,
    BatchItem,
    BatchPredictResponse,
    PredictResponse,
)
from servers.fastapi_service.pass_queue import Answers, PassQueue, Query
from servers.http_service import BatchPredictBody, Counters, PredictBody, require_engine
from servers.launch_args import LaunchArgs

_WARM_UP_WORDS = (1, 10, 30, 60, 120)
_WARM_UP_TEXTS = (1, 8, 32)


class CountedClassifier:
    """A classifier whose forward passes are counted; buckets None: no text alone is padded."""

    def __init__(
        self, classifier: Classifier, counters: Counters, buckets: Sequence[int] | None
    ) -> None:
        self._classifier = classifier
        self._counters = counters
        self._buckets = buckets

    def one_by_one(self, queries: Sequence[Query]) -> Answers:
        """A forward pass for each request."""
        answers = []
        for query in queries:
            encoded = self._classifier.encode(query.texts, query.max_length, self._buckets)
            predictions = self._classifier.decode(self._classifier.infer(encoded))
            self._counters.count_execution(encoded.lengths, encoded.input_ids.shape[1])
            answers.append(_items(predictions))
        return answers

    def together(self, queries: Sequence[Query]) -> Answers:
        """A forward pass for each length bucket among all their texts."""
        rows = [
            self._classifier.encode([text], query.max_length)
            for query in queries
            for text in query.texts
        ]
        predictions = predict_by_bucket(self._classifier, rows, self._counters.count_execution)
        answers = iter(_items(predictions))
        return [[next(answers) for _ in query.texts] for query in queries]


def create_app(args: LaunchArgs, counters: Counters) -> FastAPI:
    """Loads the model at once; EngineUnavailableError when it cannot run as the options say."""
    engine = require_engine(args)
    placement = placement_from(args.options)
    max_texts = int(args.options["max_batch_size"])
    # Recorded graphs exist for these lengths only: a text of another one would be padded by the
    # engine, where the counters do not see it.
    buckets = LENGTH_BUCKETS if placement.cuda_graphs or max_texts > 1 else None
    threads_per_pass = int(args.options["threads_per_pass"]) or args.threads
    at_once = max(1, args.threads // threads_per_pass)
    classifier = load_classifier(args.model_dir, engine, threads_per_pass, placement)
    for n_texts in _WARM_UP_TEXTS if max_texts > 1 else (1,):
        for words in _WARM_UP_WORDS:
            classifier.predict(["warm " * words] * n_texts, buckets=buckets)
    counted = CountedClassifier(classifier, counters, buckets)
    # On one core a thread wins nothing and costs its hand-over, twice a request.
    alone = args.threads == 1 and placement.device == "cpu"
    passes = PassQueue(
        counted.together if max_texts > 1 else counted.one_by_one,
        max_texts,
        at_once,
        pool=None if alone else ThreadPoolExecutor(at_once),
        metrics=counters.metrics,
    )
    app = FastAPI(
        title="Text classifier, tuned",
        summary=f"FastAPI with {engine}: {at_once} at a time, up to {max_texts} texts together.",
    )
    _add_routes(app, passes)
    return app


def _add_routes(app: FastAPI, passes: PassQueue) -> None:
    @app.post("/predict", summary="Classify one text")
    async def predict(request: PredictBody) -> PredictResponse:
        start_s = time.perf_counter()
        (answer,) = await passes.answer(Query((request.text,), request.max_length))
        latency_ms = (time.perf_counter() - start_s) * 1000
        return PredictResponse(
            label=answer.label, confidence=answer.confidence, latency_ms=latency_ms
        )

    @app.post("/batch_predict", summary="Classify several texts together")
    async def batch_predict(request: BatchPredictBody) -> BatchPredictResponse:
        start_s = time.perf_counter()
        answers = await passes.answer(Query(request.texts, request.max_length))
        latency_ms = (time.perf_counter() - start_s) * 1000
        return BatchPredictResponse(predictions=answers, latency_ms=latency_ms)


def _items(predictions: Sequence[Prediction]) -> list[BatchItem]:
    return [BatchItem(label=p.label, confidence=p.confidence) for p in predictions]
