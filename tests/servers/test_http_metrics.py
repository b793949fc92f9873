"""What is written for Prometheus, from one process and from several."""

import asyncio
import multiprocessing
import time
from typing import Any

import pytest
from fastapi import FastAPI, HTTPException
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families
from starlette.types import Message, Receive, Scope, Send

from servers.http_limits import ARRIVAL, Arrival
from servers.http_metrics import Metrics
from servers.http_service import Counters, MeasureRequests, add_health_and_stats, refuse_bad_input
from servers.metric_names import (
    BATCH_SIZE,
    ERRORS,
    IN_FLIGHT,
    METRICS,
    QUEUE_DURATION,
    QUEUE_LENGTH,
    REQUEST_DURATION,
)

DURATION = REQUEST_DURATION.name


def samples(metrics: Metrics) -> dict[tuple[str, ...], float]:
    """By name and label values, the contender's name left out."""
    text = metrics.text("mine").decode()
    found: Any = text_string_to_metric_families(text)
    return {
        (each.name, *(value for label, value in sorted(each.labels.items()) if value != "mine")): (
            each.value
        )
        for family in found
        for each in family.samples
    }


def test_buckets_hold_what_is_at_most_their_bound() -> None:
    metrics = Metrics()
    for duration_s in (0.025, 0.0250001, 99.0):
        metrics.request_ends(("/predict", "200"), duration_s, "", was_in_flight=False)
    found = samples(metrics)
    reached = {
        bound: found[f"{DURATION}_bucket", "200", bound, "/predict"]
        for bound in ("0.01", "0.025", "0.05", "0.1", "+Inf")
    }
    assert reached == {"0.01": 0, "0.025": 1, "0.05": 2, "0.1": 2, "+Inf": 3}
    assert found[f"{DURATION}_sum", "200", "/predict"] == pytest.approx(99.0500001)


def test_an_error_that_never_was_is_there_at_zero_and_a_queue_that_never_was_is_not() -> None:
    found = samples(Metrics())
    assert found[f"{ERRORS.name}_total", "full"] == 0
    assert not any(name.startswith(QUEUE_DURATION.name) for name, *_ in found)


def test_every_name_is_one_that_prometheus_takes_and_says_its_unit() -> None:
    for metric in METRICS:
        assert metric.name.endswith(
            ("_seconds", "_requests", "_errors", "_size", "_failing", "_open", "_failures")
        ), metric.name
        assert metric.text.endswith(".")


async def _ask(app: MeasureRequests, came_s: float, path: str = "/predict") -> None:
    async def send(_: Message) -> None:
        pass

    async def receive() -> Message:
        raise AssertionError

    state = {ARRIVAL: Arrival(came_s)}
    await app({"type": "http", "path": path, "state": state}, receive, send)


def test_a_request_counts_from_when_it_had_come() -> None:
    """Behind a handler that blocks the event loop it has waited before anything of ours ran."""
    counters = Counters()

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200})

    asyncio.run(_ask(MeasureRequests(answer, counters), time.monotonic() - 2))
    assert samples(counters.metrics)[f"{DURATION}_sum", "200", "/predict"] >= 2


def test_what_nobody_answered_and_what_failed_are_told_apart() -> None:
    counters = Counters()

    async def nothing(scope: Scope, receive: Receive, send: Send) -> None:
        assert counters.metrics.value(IN_FLIGHT) == 1

    async def fail(scope: Scope, receive: Receive, send: Send) -> None:
        raise ValueError("broken")

    asyncio.run(_ask(MeasureRequests(nothing, counters), time.monotonic()))
    with pytest.raises(ValueError, match="broken"):
        asyncio.run(_ask(MeasureRequests(fail, counters), time.monotonic(), "/a-secret"))
    found = samples(counters.metrics)
    assert found[f"{ERRORS.name}_total", "caller-gone"] == 1
    assert found[f"{ERRORS.name}_total", "internal"] == 1
    assert found[f"{DURATION}_count", "none", "/predict"] == 1
    assert found[f"{DURATION}_count", "500", "other"] == 1
    assert counters.metrics.value(IN_FLIGHT) == 0


def test_refusals_say_why() -> None:
    app, counters = FastAPI(), Counters()

    @app.post("/predict")
    def predict(text: str) -> None:
        raise HTTPException(503, "the model is gone")

    async def is_ready() -> bool:
        return False

    add_health_and_stats(app, "mine", counters, is_ready)
    refuse_bad_input(app)
    with TestClient(app) as client:
        client.post("/predict")
        client.post("/predict?text=a")
        client.get("/health/ready")
        client.get("/nothing")
        text = client.get("/metrics").text
    found = samples(counters.metrics)
    reasons = ("invalid", "model-unavailable", "not-ready", "unknown-path")
    assert [found[f"{ERRORS.name}_total", reason] for reason in reasons] == [1, 1, 1, 1]
    assert 'contender="mine"' in text
    assert "/nothing" not in text


def _work(counters: Counters) -> None:
    for _ in range(500):
        counters.metrics.queued()
        counters.metrics.unqueued(time.monotonic())
        counters.count_execution([3, 4], 8)


def test_several_processes_count_together() -> None:
    spawn = multiprocessing.get_context("spawn")
    counters = Counters.shared(spawn)
    processes = [spawn.Process(target=_work, args=(counters,)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    found = samples(counters.metrics)
    assert found[f"{BATCH_SIZE.name}_count",] == 1000
    assert found[f"{BATCH_SIZE.name}_bucket", "1.0"] == 0
    assert found[f"{BATCH_SIZE.name}_bucket", "2.0"] == 1000
    assert found[f"{QUEUE_DURATION.name}_count",] == 1000
    assert counters.metrics.value(QUEUE_LENGTH) == 0
    assert counters.snapshot().executions == 1000
