"""What Prometheus reads: how long answers took, what is under way, what was refused and why."""

import os
import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from starlette.types import ASGIApp, Receive, Scope, Send

from servers.http_service import COUNTED_PATHS
from servers.hybrid_gateway.facts import Watched, known_path, reason_of

SHARED_FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
"""prometheus_client's own: set before it is imported, several processes count together there."""
_BUCKETS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


class Metrics:
    """In a registry of its own; all names begin with gateway_."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.duration = Histogram(
            "gateway_request_duration_seconds",
            "From the end of a request's head to the end of its answer.",
            ["path", "status"],
            buckets=_BUCKETS_S,
            registry=self._registry,
        )
        self.triton = Histogram(
            "gateway_triton_duration_seconds",
            "From asking Triton to its answer, or to the end of the wait for it.",
            buckets=_BUCKETS_S,
            registry=self._registry,
        )
        self.in_flight = self._gauge(
            "gateway_requests_in_flight", "Predict requests that are not answered yet."
        )
        self.waiting = self._gauge("gateway_requests_waiting", "Of those, how many await a turn.")
        self.breaker_open = self._gauge("gateway_breaker_open", "Workers whose breaker is open.")
        self.refused = Counter(
            "gateway_refused_requests",
            "Requests without an answer of the model.",
            ["reason"],
            registry=self._registry,
        )
        self.store_failures = Counter(
            "gateway_limit_store_failures",
            "How often Redis did not answer in time and limits were counted by each worker.",
            registry=self._registry,
        )

    def text(self) -> bytes:
        """The exposition, of all workers where there are several."""
        registry = self._registry
        if SHARED_FOLDER_VARIABLE in os.environ:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(name, text, registry=self._registry, multiprocess_mode="livesum")


class MeasureRequests:
    """ASGI middleware: measures each request, and counts those refused."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        in_flight = self._metrics.in_flight if scope["path"] in COUNTED_PATHS else None
        watched, began_s = Watched(send), time.perf_counter()
        if in_flight:
            in_flight.inc()
        try:
            await self._app(scope, receive, watched)
        except Exception:
            watched.status = watched.status or 500
            raise
        finally:
            if in_flight:
                in_flight.dec()
            self._count(scope, watched.status, time.perf_counter() - began_s)

    def _count(self, scope: Scope, status: int | None, duration_s: float) -> None:
        said = "none" if status is None else str(status)
        self._metrics.duration.labels(known_path(scope), said).observe(duration_s)
        if reason := reason_of(scope, status):
            self._metrics.refused.labels(reason).inc()
