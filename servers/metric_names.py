"""What Prometheus can ask of a contender: the one list of names, labels and buckets.

Units are base units, as Prometheus wants them. The duration has the name that OpenTelemetry gives
it. Every label has a closed list of values: no caller can make a series.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Literal

Kind = Literal["counter", "gauge", "histogram"]

ROUTES = (
    *("/predict", "/batch_predict", "/health/live", "/health/ready", "/stats", "/metrics"),
    *("/docs", "/openapi.json", "other"),
)
CODES = (
    *("200", "401", "403", "404", "405", "413", "422", "429", "500", "503"),
    *("none", "other"),  # none: the caller went away before there was an answer
)
REASONS: Mapping[int, str] = {
    401: "unauthenticated",
    403: "forbidden",
    404: "unknown-path",
    405: "unknown-method",
    413: "too-large",
    422: "invalid",
    429: "rate-limit",
    503: "full",  # of max_in_progress; whatever else is a 503 says its own
}
"""Why a request was refused, where nothing but the status says so."""
NO_ANSWER, INTERNAL = "caller-gone", "internal"
ALL_REASONS = (
    *(*REASONS.values(), NO_ANSWER, INTERNAL, "quota", "deadline", "triton-unavailable"),
    *("breaker-open", "not-ready", "model-unavailable"),
)

_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""With the bounds that SLOs of this study have: 25, 50 and 100 ms."""
_BUCKETS_TEXTS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)


@dataclass(frozen=True)
class Metric:
    """labels: the values that each may have, beside `contender`, which all have."""

    name: str
    kind: Kind
    text: str
    labels: Mapping[str, tuple[str, ...]]
    buckets: tuple[float, ...] = ()

    def __hash__(self) -> int:
        return hash(self.name)

    @property
    def exposed(self) -> str:
        """The name as Prometheus reads it."""
        return f"{self.name}_total" if self.kind == "counter" else self.name

    @property
    def series(self) -> list[tuple[str, ...]]:
        return list(product(*self.labels.values()))

    @property
    def width(self) -> int:
        """How many numbers a series has: of a histogram each bucket, that beyond, and the sum."""
        return len(self.buckets) + 2 if self.buckets else 1


REQUEST_DURATION = Metric(
    "http_server_request_duration_seconds",
    "histogram",
    "From when a request had come whole to the end of its answer.",
    {"route": ROUTES, "code": CODES},
    _BUCKETS_S,
)
IN_FLIGHT = Metric(
    "http_server_in_flight_requests", "gauge", "Predict requests that are not answered yet.", {}
)
ERRORS = Metric(
    "http_server_request_errors",
    "counter",
    "Requests without the answer that they asked for.",
    {"reason": ALL_REASONS},
)
QUEUE_DURATION = Metric(
    "inference_queue_duration_seconds",
    "histogram",
    "What a request waited in the contender's own queue before the model.",
    {},
    _BUCKETS_S,
)
QUEUE_LENGTH = Metric(
    "inference_queue_requests", "gauge", "Requests in the contender's own queue.", {}
)
BATCH_SIZE = Metric(
    "inference_batch_size", "histogram", "Texts in a forward pass.", {}, _BUCKETS_TEXTS
)
TRITON_DURATION = Metric(
    "gateway_triton_duration_seconds",
    "histogram",
    "From asking Triton to its answer, or to the end of the wait for it.",
    {},
    _BUCKETS_S,
)
CANARY_FAILING = Metric(
    "gateway_canary_failing", "gauge", "Workers whose last canary Triton did not answer.", {}
)
BREAKER_OPEN = Metric("gateway_breaker_open", "gauge", "Workers whose breaker is open.", {})
STORE_FAILURES = Metric(
    "gateway_limit_store_failures",
    "counter",
    "How often Redis did not answer in time and limits were counted by each worker.",
    {},
)

OF_REQUESTS = (REQUEST_DURATION, IN_FLIGHT, ERRORS)
OF_QUEUE = (QUEUE_DURATION, QUEUE_LENGTH)
OF_GATEWAY = (TRITON_DURATION, CANARY_FAILING, BREAKER_OPEN, STORE_FAILURES)
METRICS = (*OF_REQUESTS, *OF_QUEUE, BATCH_SIZE, *OF_GATEWAY)
