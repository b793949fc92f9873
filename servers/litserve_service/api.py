"""What LitServe runs in its inference worker: texts in, batches through the model, answers out."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import litserve as ls

from servers.classifier import (
    Classifier,
    Encoded,
    EngineName,
    Placement,
    Prediction,
    load_classifier,
)
from servers.classifier.batching import predict_by_bucket
from servers.contract import LENGTH_BUCKETS, PredictResponse
from servers.http_service import Counters, PredictBody

WARM_UP_BATCHES = (1, 8, 32)


@dataclass(frozen=True)
class ModelSettings:
    model_dir: Path
    engine: EngineName
    threads: int
    placement: Placement


class ModelApi(ls.LitAPI):  # type: ignore[misc]  # LitServe ships no types
    """Pickled into the worker, which loads the model in setup; counters are shared memory."""

    _classifier: Classifier

    def __init__(self, settings: ModelSettings, counters: Counters, **options: Any) -> None:
        super().__init__(**options)
        self._settings = settings
        self.counters = counters

    def setup(self, device: str) -> None:
        settings = self._settings
        self._classifier = load_classifier(
            settings.model_dir, settings.engine, settings.threads, settings.placement
        )
        for n_texts in WARM_UP_BATCHES:
            for length in LENGTH_BUCKETS:
                self._classifier.predict(["warm " * length] * n_texts, length, LENGTH_BUCKETS)

    def predict(self, x: Sequence[Encoded]) -> list[Prediction]:
        return predict_by_bucket(self._classifier, x, self.counters.count_execution)


class StockApi(ModelApi):
    """As a user of LitServe writes it, for its own route, queues and loop."""

    def decode_request(self, request: PredictBody, context: dict[str, float]) -> Encoded:
        context["start_s"] = time.perf_counter()
        return self._classifier.encode([request.text], request.max_length)

    def encode_response(self, output: Prediction, context: dict[str, float]) -> PredictResponse:
        return PredictResponse(
            label=output.label,
            confidence=output.confidence,
            latency_ms=(time.perf_counter() - context["start_s"]) * 1000,
        )
