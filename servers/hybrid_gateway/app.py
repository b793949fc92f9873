"""The gateway's HTTP side: who and what is let in, in which order, and what is answered."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.middleware import Middleware
from tritonclient.grpc.aio import InferenceServerClient

from servers.contract import (
    BatchItem,
    BatchPredictRequest,
    BatchPredictResponse,
    PredictRequest,
    PredictResponse,
    TimedCounters,
)
from servers.grpc_channel import RECONNECTING_GRPC_CHANNEL_OPTIONS
from servers.http_service import TRY_AGAIN, Counters, MeasureRequests, add_metrics, refuse_bad_input
from servers.hybrid_gateway.access_log import LogRequests
from servers.hybrid_gateway.admission import Admission, refused
from servers.hybrid_gateway.auth import Authenticate
from servers.hybrid_gateway.calls import TimeoutHeaderError
from servers.hybrid_gateway.drain import CloseWhenDraining
from servers.hybrid_gateway.equipment import Equipment, equip
from servers.hybrid_gateway.features import Features
from servers.hybrid_gateway.gateway import Gateway, GatewaySettings
from servers.hybrid_gateway.openapi import describe_features
from servers.hybrid_gateway.problems import WriteProblems
from servers.hybrid_gateway.pulse import Unavailable
from servers.hybrid_gateway.trace_context import TraceRequests
from servers.hybrid_gateway.triton_model import Refused
from servers.metric_names import OF_GATEWAY, QUEUE_LENGTH
from servers.refusals import note_reason


def create_app(settings: GatewaySettings, counters: Counters | None = None) -> FastAPI:
    """counters: those that several processes share. FeatureError: a feature is unavailable."""
    counters = counters or Counters()
    equipment = equip(settings.features, counters.metrics)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        if equipment.drain:
            equipment.drain.listen()
        # One client for the whole process: its one HTTP/2 connection carries all requests at once.
        async with InferenceServerClient(
            settings.grpc_url, channel_args=RECONNECTING_GRPC_CHANNEL_OPTIONS
        ) as client:
            gateway = app.state.gateway = Gateway(settings, client, counters, equipment)
            yield
            gateway.model.pulse.stop()
            if equipment.store:
                await equipment.store.close()

    app = FastAPI(
        title="Text classifier, gateway in front of Triton",
        summary="Validates and tokenises; Triton batches and runs the network.",
        lifespan=lifespan,
    )
    # The first is outermost. What watches sees every answer, those of the guards too. Who asks is
    # settled before his body is read, and so is how much he may ask for; whether there is room and
    # time is settled last, of requests that have come whole.
    app.user_middleware += _watching(settings.features, equipment, counters)
    app.user_middleware += _guarding(equipment)
    refuse_bad_input(app, settings.max_in_progress)
    app.user_middleware.append(
        Middleware(Admission, deadline_s=settings.deadline_s, breaker=equipment.breaker)
    )
    _add_error_answers(app, equipment)
    _add_predict_routes(app, equipment)
    _add_operations_routes(app, settings.contender, equipment)
    more = (*OF_GATEWAY, QUEUE_LENGTH) if equipment.turns else OF_GATEWAY
    add_metrics(app, settings.contender, counters.metrics, more)
    describe_features(app, settings.features)
    return app


def _watching(features: Features, equipment: Equipment, counters: Counters) -> list[Middleware]:
    layers = []
    if features.trace_context:
        layers.append(Middleware(TraceRequests))
    if features.access_log:
        layers.append(Middleware(LogRequests))
    layers.append(Middleware(MeasureRequests, counters=counters))
    if equipment.drain:
        layers.append(Middleware(CloseWhenDraining, drain=equipment.drain))
    if features.problem_details:
        layers.append(Middleware(WriteProblems))
    return layers


def _guarding(equipment: Equipment) -> list[Middleware]:
    layers = []
    if equipment.credentials:
        layers.append(Middleware(Authenticate, credentials=equipment.credentials))
    if equipment.limiter:
        from servers.hybrid_gateway.rate_limits import LimitRate

        layers.append(Middleware(LimitRate, limiter=equipment.limiter))
    return layers


def _gateway(request: Request) -> Gateway:
    gateway: Gateway = request.app.state.gateway
    return gateway


def _add_predict_routes(app: FastAPI, equipment: Equipment) -> None:
    async def charge(request: Request, n_texts: int) -> None:
        """What is charged is not given back where Triton then fails."""
        if equipment.quota is not None:
            await equipment.quota.charge(request.scope, n_texts)

    @app.post("/predict", summary="Classify one text")
    async def predict(body: PredictRequest, request: Request) -> PredictResponse:
        start_s = time.perf_counter()
        gateway = _gateway(request)
        call = gateway.call_of(request)
        await charge(request, 1)
        # On the event loop: one text takes a fraction of a millisecond, less than handing it to
        # a thread and back.
        encoded = gateway.encode([body.text], body.max_length)
        (answer,) = await gateway.in_time(gateway.predict(encoded, call), call)
        latency_ms = (time.perf_counter() - start_s) * 1000
        return PredictResponse(
            label=answer.label, confidence=answer.confidence, latency_ms=latency_ms
        )

    @app.post("/batch_predict", summary="Classify several texts")
    async def batch_predict(body: BatchPredictRequest, request: Request) -> BatchPredictResponse:
        start_s = time.perf_counter()
        gateway = _gateway(request)
        call = gateway.call_of(request)
        await charge(request, len(body.texts))
        work = gateway.encode_and_predict(body.texts, body.max_length, call)
        answers = await gateway.in_time(work, call)
        latency_ms = (time.perf_counter() - start_s) * 1000
        items = [BatchItem(label=a.label, confidence=a.confidence) for a in answers]
        return BatchPredictResponse(predictions=items, latency_ms=latency_ms)


def _add_operations_routes(app: FastAPI, contender: str, equipment: Equipment) -> None:
    @app.get("/health/live", tags=["operations"], summary="The gateway answers")
    async def live() -> dict[str, str]:
        return {"status": "live", "contender": contender}

    @app.get("/health/ready", tags=["operations"], summary="Triton's model answers")
    async def ready(request: Request) -> JSONResponse:
        is_going = equipment.drain is not None and equipment.drain.begun
        if not is_going and await _gateway(request).model.pulse.is_ready():
            return JSONResponse({"status": "ready"})
        note_reason(request.scope, "not-ready")
        return JSONResponse({"status": "not ready"}, 503, TRY_AGAIN)

    @app.get("/stats", tags=["operations"], summary="Totals since the gateway started")
    async def stats(request: Request) -> TimedCounters:
        return await _gateway(request).stats()


def _add_error_answers(app: FastAPI, equipment: Equipment) -> None:
    @app.exception_handler(Unavailable)
    async def not_now(request: Request, error: Unavailable) -> JSONResponse:
        return refused(error, request.scope)

    @app.exception_handler(Refused)
    @app.exception_handler(TimeoutHeaderError)
    async def not_accepted(_: Request, error: ValueError) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, status_code=422)

    if equipment.quota:
        from servers.hybrid_gateway.rate_limits import OverQuota, too_many

        @app.exception_handler(OverQuota)
        async def over_quota(request: Request, error: OverQuota) -> JSONResponse:
            note_reason(request.scope, "quota")
            return too_many(error.exceeded)
