import inspect
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.testclient import TestClient

from loadtests.launch.artefacts import Artefacts
from servers.classifier import Encoded, EngineUnavailableError, Placement, Prediction
from servers.classifier.answers import keep_answers
from servers.contract import LENGTH_BUCKETS
from servers.discovery import OptionValue
from servers.fastapi_service import tuned
from servers.fastapi_service.__main__ import build_app
from servers.fastapi_service.published import PublishedClassifier
from servers.http_service import Counters, LimitInProgress
from servers.launch_args import LaunchArgs


def launch_args(
    tmp_path: Path, handlers: str, threads: int = 1, **changes: OptionValue
) -> LaunchArgs:
    (tmp_path / "config.json").write_text("{}")
    options: dict[str, OptionValue] = {
        "handlers": handlers,
        "threads_per_pass": 1,
        "max_batch_size": 1,
        "device": "cpu",
    }
    return LaunchArgs(
        "a", "torch", "127.0.0.1", 1, {}, tmp_path, tmp_path, threads, options | changes
    )


def predict_runs_on_the_event_loop(app: FastAPI) -> bool:
    (route,) = [r for r in app.routes if isinstance(r, APIRoute) and r.path == "/predict"]
    return inspect.iscoroutinefunction(route.endpoint)


def test_the_published_handler_holds_the_event_loop(tmp_path: Path) -> None:
    assert predict_runs_on_the_event_loop(build_app(launch_args(tmp_path, "published"), Counters()))


class MeetingClassifier:
    """Each forward pass after the warm-up waits until `passes` of them run at once."""

    def __init__(self, passes: int) -> None:
        self._meeting = threading.Barrier(passes)
        self._lock = threading.Lock()
        self._running = 0
        self.most_running = 0
        self.threads: set[int] = set()
        self.batches: list[tuple[int, ...]] = []

    def predict(self, texts: Sequence[str], *, buckets: Sequence[int] | None) -> None:
        self.buckets = buckets

    def encode(
        self, texts: Sequence[str], max_length: int, buckets: Sequence[int] | None = None
    ) -> Encoded:
        ids = np.ones((len(texts), 2), dtype=np.int64)
        return Encoded(ids, ids, ids.sum(axis=1))

    def infer(self, encoded: Encoded) -> int:
        self.threads.add(threading.get_ident())
        self.batches.append(encoded.input_ids.shape)
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


@pytest.mark.parametrize(("threads", "in_the_loop"), [(1, True), (2, False)])
def test_the_model_runs_on_the_event_loop_where_there_is_one_core(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, threads: int, in_the_loop: bool
) -> None:
    classifier = MeetingClassifier(passes=1)
    monkeypatch.setattr(tuned, "load_classifier", lambda *_: classifier)
    app = build_app(launch_args(tmp_path, "tuned", threads=threads), Counters())
    loops = set()

    @app.get("/loop")
    async def note_the_loop() -> None:
        loops.add(threading.get_ident())

    with TestClient(app) as client:
        client.get("/loop")
        client.post("/predict", json={"text": "a"})
    assert (classifier.threads == loops) is in_the_loop


def test_texts_of_several_callers_share_a_pass_of_their_bucket_and_get_their_own_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    classifier = MeetingClassifier(passes=1)
    monkeypatch.setattr(tuned, "load_classifier", lambda *_: classifier)
    counters = Counters()
    args = launch_args(tmp_path, "tuned", max_batch_size=8)
    app = build_app(args, counters)
    with TestClient(app) as client:
        reply = client.post("/batch_predict", json={"texts": ["a", "b", "c"]})
    assert [item["label"] for item in reply.json()["predictions"]] == ["a", "a", "a"]
    assert classifier.batches == [(3, LENGTH_BUCKETS[0])]
    assert counters.snapshot().executions == 1


@pytest.mark.parametrize("cuda_graphs", [False, True])
def test_texts_are_padded_to_the_lengths_of_recorded_graphs_and_else_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cuda_graphs: bool
) -> None:
    classifier = MeetingClassifier(passes=1)
    placements: list[Placement] = []

    def load(*given: object) -> MeetingClassifier:
        placements.extend(value for value in given if isinstance(value, Placement))
        return classifier

    monkeypatch.setattr(tuned, "load_classifier", load)
    build_app(launch_args(tmp_path, "tuned", cuda_graphs=cuda_graphs), Counters())

    assert classifier.buckets == (LENGTH_BUCKETS if cuda_graphs else None)
    assert placements == [Placement("cpu", "fp32", cuda_graphs)]


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a host without a CUDA device")
@pytest.mark.parametrize(
    ("device", "found"), [("cuda", "found none that torch"), ("tpu", 'found "tpu"')]
)
def test_the_published_service_refuses_a_device_that_is_not_to_be_had(
    tmp_path: Path, device: str, found: str
) -> None:
    with pytest.raises(EngineUnavailableError, match=found):
        build_app(launch_args(tmp_path, "published", device=device), Counters())


def test_the_published_service_counts_tokens_before_they_are_on_the_device() -> None:
    class Tokens(dict[str, torch.Tensor]):
        """What a tokenizer returns; once moved it has no values to count: that would be a wait."""

        def to(self, device: torch.device) -> "Tokens":
            return Tokens({name: tensor.to("meta") for name, tensor in self.items()})

    counters = Counters()
    served = PublishedClassifier.__new__(PublishedClassifier)
    served._counters, served._device = counters, torch.device("meta")
    served._tokenizer = lambda *_, **__: Tokens(attention_mask=torch.tensor([[1, 1, 0]]))
    served._model = lambda **_: SimpleNamespace(logits=torch.tensor([[0.0, 1.0]]))
    served._model.config = SimpleNamespace(id2label={1: "invoice"})
    assert served.predict(["hello"], 128)[0].label == "invoice"
    assert (counters.snapshot().real_tokens, counters.snapshot().padded_tokens) == (2, 3)


@pytest.mark.parametrize(("most", "limits"), [(7, [7]), (0, [])])
def test_how_many_requests_may_wait_is_an_option(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int, limits: list[int]
) -> None:
    monkeypatch.setattr(tuned, "load_classifier", lambda *_: MeetingClassifier(passes=1))
    app = build_app(launch_args(tmp_path, "tuned", max_in_progress=most), Counters())
    found = [m.kwargs["max_in_progress"] for m in app.user_middleware if m.cls is LimitInProgress]
    assert found == limits


def test_the_published_service_asks_a_simulated_device_as_it_asks_a_network(
    artefacts: Artefacts, tmp_path: Path
) -> None:
    keep_answers(artefacts.model_dir, artefacts.traffic_path)
    options = {"handlers": "published", "device": "cpu", "curve": "a100-fp16-tensorrt"}
    args = LaunchArgs(
        *("a", "replay", "127.0.0.1", 1, {}, artefacts.model_dir, tmp_path, 1), options
    )
    counters = Counters()
    with TestClient(build_app(args, counters)) as client:
        for text in artefacts.texts[:3]:
            reply = client.post("/predict", json={"text": text.text}).json()
            assert reply["label"] == text.label
            assert reply["confidence"] == pytest.approx(text.confidence, abs=1e-5)
    assert counters.snapshot().executions == 3
