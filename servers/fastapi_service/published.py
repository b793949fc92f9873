"""The per-request service as selection studies publish it, kept as it is found.

What a tuned service would change stays on purpose: `async def` handlers block the event loop while
the model runs, there is no inference mode, and PyTorch keeps its default number of threads.
"""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import torch
from fastapi import FastAPI
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from servers.classifier import EngineUnavailableError, Placement
from servers.classifier.replayed_network import ReplayedNetwork
from servers.contract import (
    BatchItem,
    BatchPredictResponse,
    PredictResponse,
)
from servers.http_service import BatchPredictBody, Counters, PredictBody, require_engine
from servers.launch_args import LaunchArgs


class PublishedClassifier:
    """Tokenizer and model, called directly. device "auto" is as published: CUDA where there is.
    network: in place of the one in model_dir."""

    def __init__(
        self, model_dir: str, device: str, counters: Counters, network: Any = None
    ) -> None:
        self._counters = counters
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        self._device = torch.device(device)
        # Any: transformers types its Auto classes too loosely to say more.
        self._tokenizer: Any = AutoTokenizer.from_pretrained(model_dir)
        self._model: Any = network or AutoModelForSequenceClassification.from_pretrained(model_dir)
        self._model.to(self._device).eval()

    def predict(self, texts: list[str], max_length: int) -> list[BatchItem]:
        inputs = self._tokenizer(
            texts, padding=True, truncation=True, max_length=max_length, return_tensors="pt"
        )
        # Taken before the move: counting on the device would add a kernel and a wait of ours.
        mask = inputs["attention_mask"]
        inputs = inputs.to(self._device)
        with torch.no_grad():
            logits = self._model(**inputs).logits
        probabilities = torch.softmax(logits, dim=-1)
        self._counters.count_execution(mask.sum(dim=-1).tolist(), mask.shape[1])
        return [self._answer(row) for row in probabilities]

    def _answer(self, probabilities: torch.Tensor) -> BatchItem:
        best = int(torch.argmax(probabilities).item())
        label = self._model.config.id2label[best]
        return BatchItem(label=label, confidence=probabilities[best].item())


def create_app(args: LaunchArgs, counters: Counters) -> FastAPI:
    """EngineUnavailableError when the device is unavailable."""
    engine = require_engine(args)
    network = _replayed(args) if engine == "replay" else None
    device = "cpu" if network else _available(str(args.options["device"]))
    models: dict[str, PublishedClassifier] = {}

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        models["classifier"] = PublishedClassifier(str(args.model_dir), device, counters, network)
        yield
        models.clear()

    app = FastAPI(
        title="Text classifier, per request",
        summary="FastAPI and PyTorch as usually published.",
        lifespan=lifespan,
    )

    @app.post("/predict", summary="Classify one text")
    async def predict(request: PredictBody) -> PredictResponse:
        start_s = time.perf_counter()
        answer = models["classifier"].predict([request.text], request.max_length)[0]
        latency_ms = (time.perf_counter() - start_s) * 1000
        return PredictResponse(
            label=answer.label, confidence=answer.confidence, latency_ms=latency_ms
        )

    @app.post("/batch_predict", summary="Classify several texts in one forward pass")
    async def batch_predict(request: BatchPredictBody) -> BatchPredictResponse:
        start_s = time.perf_counter()
        answers = models["classifier"].predict(request.texts, request.max_length)
        latency_ms = (time.perf_counter() - start_s) * 1000
        return BatchPredictResponse(predictions=answers, latency_ms=latency_ms)

    return app


def _replayed(args: LaunchArgs) -> ReplayedNetwork:
    return ReplayedNetwork(args.model_dir, Placement(curve=str(args.options["curve"])))


def _available(device: str) -> str:
    if device not in ("auto", "cpu", "cuda"):
        raise EngineUnavailableError(
            f'expected device = "auto", "cpu" or "cuda", found "{device}": correct the options of '
            "the contender."
        )
    if device == "cuda" and not torch.cuda.is_available():
        raise EngineUnavailableError(
            f'expected a CUDA device for device = "cuda", found none that torch '
            f"{torch.__version__} can use: install a CUDA build of torch on a host with an NVIDIA "
            'driver, or set device = "cpu".'
        )
    return device
