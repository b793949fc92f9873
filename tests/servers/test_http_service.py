import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from servers.http_service import (
    Counters,
    add_health_and_stats,
    refuse_bad_input,
    require_engine,
)
from servers.launch_args import LaunchArgs


def test_tokens_and_texts_of_forward_passes_add_up() -> None:
    counters = Counters()
    counters.count_execution([3, 5], padded_length=8)
    counters.count_execution([2], padded_length=2)
    totals = counters.snapshot()
    assert (totals.executions, totals.inferences) == (2, 3)
    assert (totals.real_tokens, totals.padded_tokens) == (10, 18)


def test_requests_counted_by_many_threads_are_all_counted() -> None:
    counters = Counters()

    def count() -> None:
        for number in range(2000):
            counters.count_request(ok=number % 2 == 0)

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    totals = counters.snapshot()
    assert (totals.requests_ok, totals.requests_failed) == (8000, 8000)


@pytest.mark.parametrize(("engine", "reason"), [("none", "--engine"), ("torch", "config.json")])
def test_a_server_without_engine_or_model_refuses_to_start(
    engine: str, reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    args = LaunchArgs("a", engine, "127.0.0.1", 1, {}, tmp_path, tmp_path, 1, {})  # type: ignore[arg-type]  # parametrised
    with pytest.raises(SystemExit) as exit_info:
        require_engine(args)
    assert exit_info.value.code == 2
    assert reason in capsys.readouterr().err


def test_a_server_that_is_not_ready_says_when_to_ask_again() -> None:
    async def is_ready() -> bool:
        return False

    app = FastAPI()
    add_health_and_stats(app, "mine", Counters(), is_ready)
    answer = TestClient(app).get("/health/ready")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


def test_requests_beyond_the_limit_are_refused_at_once_and_counted_and_health_still_answers() -> (
    None
):
    app, counters = FastAPI(), Counters()
    begun, go_on = threading.Event(), threading.Event()

    @app.post("/predict")
    def predict() -> None:
        begun.set()
        go_on.wait(20)

    add_health_and_stats(app, "mine", counters)
    refuse_bad_input(app, max_in_progress=1)
    with TestClient(app) as client, ThreadPoolExecutor(1) as caller:
        first = caller.submit(client.post, "/predict")
        begun.wait(20)
        refused = client.post("/predict")
        health = client.get("/health/ready")
        go_on.set()
        assert first.result().status_code == 200
        assert client.post("/predict").status_code == 200
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
    assert "at most 1 requests in progress" in refused.json()["detail"]
    assert health.status_code == 200
    assert counters.snapshot().requests_failed == 1
