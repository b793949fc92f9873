import inspect
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.testclient import TestClient

from servers.classifier import Encoded, Prediction
from servers.fastapi_service import tuned
from servers.fastapi_service.__main__ import build_app
from servers.http_service import Counters
from servers.launch_args import LaunchArgs


def launch_args(tmp_path: Path, handlers: str, threads: int = 1) -> LaunchArgs:
    (tmp_path / "config.json").write_text("{}")
    options = {"handlers": handlers, "threads_per_pass": 1}
    return LaunchArgs("a", "torch", "127.0.0.1", 1, {}, tmp_path, tmp_path, threads, options)


def predict_runs_on_the_event_loop(app: FastAPI) -> bool:
    (route,) = [r for r in app.routes if isinstance(r, APIRoute) and r.path == "/predict"]
    return inspect.iscoroutinefunction(route.endpoint)


def test_the_published_handler_holds_the_event_loop(tmp_path: Path) -> None:
    assert predict_runs_on_the_event_loop(build_app(launch_args(tmp_path, "published"), Counters()))


def test_the_tuned_handler_leaves_the_event_loop_free(tmp_path: Path) -> None:
    assert not predict_runs_on_the_event_loop(build_app(launch_args(tmp_path, "tuned"), Counters()))


class MeetingClassifier:
    """Each forward pass after the warm-up waits until `passes` of them run at once."""

    def __init__(self, passes: int) -> None:
        self._meeting = threading.Barrier(passes)
        self._lock = threading.Lock()
        self._running = 0
        self.most_running = 0

    def predict(self, texts: Sequence[str]) -> None:
        pass

    def encode(self, texts: Sequence[str], max_length: int) -> Encoded:
        ids = np.ones((len(texts), 2), dtype=np.int64)
        return Encoded(ids, ids, ids.sum(axis=1))

    def infer(self, encoded: Encoded) -> int:
        with self._lock:
            self._running += 1
            self.most_running = max(self.most_running, self._running)
        self._meeting.wait(timeout=20)
        with self._lock:
            self._running -= 1
        return len(encoded.lengths)

    def decode(self, count: int) -> list[Prediction]:
        return [Prediction("a", 1.0)] * count


def test_as_many_forward_passes_run_at_once_as_there_are_cores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    classifier = MeetingClassifier(passes=2)
    monkeypatch.setattr(tuned, "load_classifier", lambda *_: classifier)
    counters = Counters()
    app = build_app(launch_args(tmp_path, "tuned", threads=2), counters)
    with TestClient(app) as client, ThreadPoolExecutor(8) as callers:
        replies = list(callers.map(lambda t: client.post("/predict", json={"text": t}), "abcdefgh"))
    assert [reply.status_code for reply in replies] == [200] * 8
    assert classifier.most_running == 2
    assert counters.snapshot().executions == 8
