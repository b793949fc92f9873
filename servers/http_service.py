"""What every HTTP server folder needs around its model: counters, health, refusals, uvicorn."""

import signal
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterable, MutableSequence, Sequence
from contextlib import AbstractContextManager
from multiprocessing.context import BaseContext
from typing import Annotated, Any, NoReturn, Self

import uvicorn
from fastapi import Body, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from servers.contract import BatchPredictRequest, PredictRequest, ServerCounters
from servers.engines import ENGINES_IN_WORDS, EngineName, engine_named
from servers.http_limits import ARRIVAL, DRAIN_S, LimitBody, PatientProtocol
from servers.http_metrics import MEDIA_TYPE, N_VALUES, Metrics
from servers.http_openapi import describe_refusals
from servers.launch_args import LaunchArgs, refuse_to_start
from servers.metric_names import Metric
from servers.refusals import known_code, known_path, note_reason, reason_of

COUNTED_PATHS = frozenset({"/predict", "/batch_predict"})
UVICORN_OPTIONS: dict[str, Any] = {
    "loop": "uvloop",
    "http": PatientProtocol,
    "ws": "none",
    "access_log": False,
    "log_level": "warning",
    "backlog": 2048,
    # Longer than a pause between load levels: a server that closes idle connections would be
    # charged for the reconnects of the next level.
    "timeout_keep_alive": 75,
}
TRY_AGAIN = {"Retry-After": "1"}
"""Goes with every answer 503."""
_FULL = "expected at most {} requests in progress, found as many: try again later."
_FIELDS = tuple(ServerCounters.model_fields)

_EXAMPLE_TEXTS = ["我的快递到哪里了?", "I was charged twice, please refund one of the payments."]
PredictBody = Annotated[
    PredictRequest,
    Body(
        openapi_examples={
            "Chinese": {"value": {"text": _EXAMPLE_TEXTS[0]}},
            "English, cut to 32 tokens": {"value": {"text": _EXAMPLE_TEXTS[1], "max_length": 32}},
        }
    ),
]
BatchPredictBody = Annotated[
    BatchPredictRequest,
    Body(openapi_examples={"Two texts": {"value": {"texts": _EXAMPLE_TEXTS}}}),
]


class Counters:
    """Totals since the server started, and its metrics; safe to add to from several threads."""

    def __init__(
        self,
        totals: MutableSequence[int] | None = None,
        lock: AbstractContextManager[object] | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        self._totals = [0] * len(_FIELDS) if totals is None else totals
        self._lock = lock or threading.Lock()
        self.metrics = metrics or Metrics()

    @classmethod
    def shared(cls, processes: BaseContext) -> Self:
        """To count in several processes that processes starts."""
        metrics = Metrics(processes.RawArray("d", N_VALUES), processes.Lock())
        return cls(processes.RawArray("q", len(_FIELDS)), processes.Lock(), metrics)

    def count_request(self, ok: bool) -> None:
        """One HTTP request answered, or refused."""
        self._add(requests_ok=int(ok), requests_failed=int(not ok))

    def count_execution(self, real_lengths: Iterable[int], padded_length: int) -> None:
        """One forward pass over texts of real_lengths tokens, each padded to padded_length."""
        n_texts = self.count_tokens(real_lengths, padded_length)
        self._add(inferences=n_texts, executions=1)
        self.metrics.forward_pass(n_texts)

    def count_tokens(self, real_lengths: Iterable[int], padded_length: int) -> int:
        """Texts for a forward pass that is counted elsewhere; returns how many they are."""
        lengths = [int(length) for length in real_lengths]
        self._add(real_tokens=sum(lengths), padded_tokens=len(lengths) * padded_length)
        return len(lengths)

    def snapshot(self) -> ServerCounters:
        with self._lock:
            return ServerCounters(**dict(zip(_FIELDS, self._totals, strict=True)))

    def _add(self, **amounts: int) -> None:
        with self._lock:
            for name, amount in amounts.items():
                self._totals[_FIELDS.index(name)] += amount


class MeasureRequests:
    """ASGI middleware: counts each answer of the predict routes by its status, and measures every
    request for Prometheus."""

    def __init__(self, app: ASGIApp, counters: Counters) -> None:
        self._app = app
        self._counters = counters
        self._metrics = counters.metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began_s, predicts = time.monotonic(), scope["path"] in COUNTED_PATHS
        status: int | None = None

        async def counted_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if predicts:
                    self._counters.count_request(ok=status < 400)
            await send(message)

        if predicts:
            self._metrics.request_begins()
        try:
            await self._app(scope, receive, counted_send)
        except Exception:
            status = status or 500  # what uvicorn answers
            raise
        finally:
            # What waited in front of a blocked event loop had come before this was called.
            arrival = scope.get("state", {}).get(ARRIVAL)
            duration_s = time.monotonic() - (arrival.received_s if arrival else began_s)
            labels, reason = (known_path(scope), known_code(status)), reason_of(scope, status)
            self._metrics.request_ends(labels, duration_s, reason, predicts)


class LimitInProgress:
    """ASGI middleware: answers 503 at once to a predict request beyond max_in_progress.

    It comes before all that costs time: what must be refused is what there is too much of.
    """

    def __init__(self, app: ASGIApp, max_in_progress: int) -> None:
        self._app = app
        self._max_in_progress = max_in_progress
        self._in_progress = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] not in COUNTED_PATHS:
            await self._app(scope, receive, send)
            return
        if self._in_progress >= self._max_in_progress:
            await unavailable(_FULL.format(self._max_in_progress))(scope, receive, send)
            return
        self._in_progress += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._in_progress -= 1


def unavailable(reason: str) -> JSONResponse:
    return JSONResponse({"detail": reason}, 503, TRY_AGAIN)


async def _always() -> bool:
    return True


def add_health_and_stats(
    app: FastAPI,
    contender: str,
    counters: Counters,
    is_ready: Callable[[], Awaitable[bool]] = _always,
) -> None:
    """Adds /health/live, /health/ready, /stats, /metrics, and the counting of requests.

    Where the model runs in the process that answers, to answer is to be ready."""
    app.add_middleware(MeasureRequests, counters=counters)
    add_metrics(app, contender, counters.metrics)

    @app.get("/health/live", tags=["operations"], summary="The process answers")
    async def live() -> dict[str, str]:
        return {"status": "live", "contender": contender}

    @app.get("/health/ready", tags=["operations"], summary="The model is loaded and answers")
    async def ready(request: Request) -> JSONResponse:
        if await is_ready():
            return JSONResponse({"status": "ready"})
        note_reason(request.scope, "not-ready")
        return JSONResponse({"status": "not ready"}, 503, TRY_AGAIN)

    @app.get("/stats", tags=["operations"], summary="Totals since the server started")
    async def stats() -> ServerCounters:
        return counters.snapshot()


def add_metrics(
    app: FastAPI, contender: str, metrics: Metrics, more: Sequence[Metric] = ()
) -> None:
    """Adds /metrics; more are written also before there is anything to count."""

    @app.get(
        "/metrics",
        tags=["operations"],
        summary="For Prometheus",
        response_class=PlainTextResponse,
    )
    async def exposition() -> PlainTextResponse:
        return PlainTextResponse(metrics.text(contender, more), media_type=MEDIA_TYPE)


def refuse_bad_input(app: FastAPI, max_in_progress: int = 0) -> None:
    """Answers every malformed request with one sentence that names the field, and says so in the
    app's OpenAPI document; 503 to requests beyond max_in_progress (0: to none)."""
    # Last in the list is innermost: what it refuses is counted too, and the limit sees only
    # requests that have come whole.
    app.user_middleware.append(Middleware(LimitBody))
    if max_in_progress:
        app.user_middleware.append(Middleware(LimitInProgress, max_in_progress=max_in_progress))
    describe_refusals(app)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        # The input itself is left out: it may hold what JSON cannot carry (a lone surrogate).
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        sentence = str(first["msg"]).removesuffix(".")
        return JSONResponse({"detail": f"{field}: {sentence}."}, status_code=422)

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> JSONResponse:
        if error.status_code == 503:
            note_reason(request.scope, "model-unavailable")
        # FastAPI answers 400 for a body that is not even text; the contract has one code.
        status = 422 if error.status_code == 400 else error.status_code
        return JSONResponse({"detail": str(error.detail)}, status, error.headers)


def require_engine(args: LaunchArgs) -> EngineName:
    """The engine that args ask for; exits with code 2 when it or the model's folder is missing."""
    engine = engine_named(args.engine)
    if engine is None:
        refuse_to_start(
            f"expected --engine {ENGINES_IN_WORDS}, found {args.engine}: this server has a model."
        )
    if not (args.model_dir / "config.json").is_file():
        refuse_to_start(
            f"expected a model in {args.model_dir}, found no config.json there: "
            "build one with `python -m servers.classifier build`."
        )
    return engine


def exit_on_sigterm() -> None:
    """Makes SIGTERM end this process with code 0: uvicorn stops cleanly, then raises it again."""

    def leave(*_: object) -> NoReturn:
        sys.exit(0)

    signal.signal(signal.SIGTERM, leave)


def serve(app: FastAPI, args: LaunchArgs) -> None:
    """Serves app on the given host and port until SIGTERM or SIGINT, in this one process."""
    exit_on_sigterm()
    uvicorn.run(
        app,
        host=args.host,
        port=args.port,
        timeout_graceful_shutdown=DRAIN_S,
        **UVICORN_OPTIONS,
    )
