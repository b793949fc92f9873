"""The gateway's HTTP side: validate, tokenise, ask Triton, name the label."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.middleware import Middleware
from tritonclient.grpc.aio import InferenceServerClient

from servers.classifier.encoding import Encoded, Encoder, Prediction, decode, read_labels
from servers.contract import (
    LENGTH_BUCKETS,
    MAX_LENGTH_TOKENS,
    BatchItem,
    BatchPredictRequest,
    BatchPredictResponse,
    PredictRequest,
    PredictResponse,
    ServerCounters,
)
from servers.grpc_channel import GRPC_CHANNEL_OPTIONS
from servers.http_service import (
    TRY_AGAIN,
    Counters,
    CountRequests,
    refuse_bad_input,
    unavailable,
)
from servers.hybrid_gateway.admission import Admission, arrival_of, in_time
from servers.hybrid_gateway.pulse import Late, Unavailable
from servers.hybrid_gateway.triton_model import RECONNECTION, Refused, TritonModel

CANARY_TEXT = "canary"


@dataclass(frozen=True)
class GatewaySettings:
    """grpc_url is Triton's HOST:PORT; deadline_s counts from when a request had come whole."""

    grpc_url: str
    model_dir: Path
    deadline_s: float
    max_batch_size: int
    max_in_progress: int = 0
    contender: str = "hybrid"


T = TypeVar("T")


class Gateway:
    """One text or several to predictions; the network itself runs in Triton."""

    def __init__(
        self, settings: GatewaySettings, client: InferenceServerClient, counters: Counters
    ) -> None:
        self._encoder = Encoder(settings.model_dir)
        self._labels = read_labels(settings.model_dir)
        self._counters = counters
        self._deadline_s = settings.deadline_s
        canary = self.encode([CANARY_TEXT], MAX_LENGTH_TOKENS)
        self.model = TritonModel(client, canary, settings.deadline_s, settings.max_batch_size)

    def encode(self, texts: list[str], max_length: int) -> Encoded:
        return self._encoder.encode(texts, max_length, LENGTH_BUCKETS)

    async def encode_and_predict(self, texts: list[str], max_length: int) -> list[Prediction]:
        # In a thread: many long texts take tens of milliseconds, and every caller would wait.
        return await self.predict(await asyncio.to_thread(self.encode, texts, max_length))

    async def in_time(self, work: Awaitable[T], request: Request) -> T:
        """What work returns, within the deadline of the request and while its caller waits."""
        arrival = arrival_of(request.scope)
        try:
            return await in_time(work, arrival, self._deadline_s)
        except Late:
            self.model.pulse.doubt(arrival.received_s)
            raise

    async def predict(self, encoded: Encoded) -> list[Prediction]:
        logits = await self.model.infer(encoded)
        self._counters.count_execution(encoded.lengths, encoded.input_ids.shape[1])
        return decode(logits, self._labels)

    async def stats(self) -> ServerCounters:
        """Requests and tokens as the gateway counts them, batches as Triton formed them."""
        triton = await self.model.executions()
        return self._counters.snapshot().model_copy(
            update={"inferences": triton.inferences, "executions": triton.executions}
        )


def create_app(settings: GatewaySettings) -> FastAPI:
    counters = Counters()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        # One client for the whole process: its one HTTP/2 connection carries all requests at once.
        async with InferenceServerClient(
            settings.grpc_url, channel_args=[*GRPC_CHANNEL_OPTIONS, *RECONNECTION]
        ) as client:
            gateway = app.state.gateway = Gateway(settings, client, counters)
            yield
            gateway.model.pulse.stop()

    app = FastAPI(
        title="Text classifier, gateway in front of Triton",
        summary="Validates and tokenises; Triton batches and runs the network.",
        lifespan=lifespan,
    )
    app.add_middleware(CountRequests, counters=counters)
    refuse_bad_input(app, settings.max_in_progress)
    app.user_middleware.append(Middleware(Admission, deadline_s=settings.deadline_s))
    _add_error_answers(app)
    _add_predict_routes(app)
    _add_operations_routes(app, settings.contender)
    return app


def _gateway(request: Request) -> Gateway:
    gateway: Gateway = request.app.state.gateway
    return gateway


def _add_predict_routes(app: FastAPI) -> None:
    @app.post("/predict", summary="Classify one text")
    async def predict(body: PredictRequest, request: Request) -> PredictResponse:
        start_s = time.perf_counter()
        gateway = _gateway(request)
        # On the event loop: one text takes a fraction of a millisecond, less than handing it to
        # a thread and back.
        encoded = gateway.encode([body.text], body.max_length)
        (answer,) = await gateway.in_time(gateway.predict(encoded), request)
        latency_ms = (time.perf_counter() - start_s) * 1000
        return PredictResponse(
            label=answer.label, confidence=answer.confidence, latency_ms=latency_ms
        )

    @app.post("/batch_predict", summary="Classify several texts")
    async def batch_predict(body: BatchPredictRequest, request: Request) -> BatchPredictResponse:
        start_s = time.perf_counter()
        gateway = _gateway(request)
        work = gateway.encode_and_predict(body.texts, body.max_length)
        answers = await gateway.in_time(work, request)
        latency_ms = (time.perf_counter() - start_s) * 1000
        items = [BatchItem(label=a.label, confidence=a.confidence) for a in answers]
        return BatchPredictResponse(predictions=items, latency_ms=latency_ms)


def _add_operations_routes(app: FastAPI, contender: str) -> None:
    @app.get("/health/live", tags=["operations"], summary="The gateway answers")
    async def live() -> dict[str, str]:
        return {"status": "live", "contender": contender}

    @app.get("/health/ready", tags=["operations"], summary="Triton's model answers")
    async def ready(request: Request) -> JSONResponse:
        if await _gateway(request).model.pulse.is_ready():
            return JSONResponse({"status": "ready"})
        return JSONResponse({"status": "not ready"}, 503, TRY_AGAIN)

    @app.get("/stats", tags=["operations"], summary="Totals since the gateway started")
    async def stats(request: Request) -> ServerCounters:
        return await _gateway(request).stats()


def _add_error_answers(app: FastAPI) -> None:
    @app.exception_handler(Unavailable)
    async def not_now(_: Request, error: Unavailable) -> JSONResponse:
        return unavailable(str(error))

    @app.exception_handler(Refused)
    async def refused(_: Request, error: Refused) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, status_code=422)
