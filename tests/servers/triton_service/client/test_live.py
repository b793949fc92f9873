"""The routers against the embedded Triton: both protocols, with and without asyncio."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from loadtests.selfcheck.triton_bench import LOADED, Bench, bench
from servers.triton_service.client import (
    AsyncRouter,
    ClientError,
    LateError,
    ModelSpec,
    RefusedError,
    Router,
    TensorSpec,
    UnknownModelError,
    UsageError,
    example,
)
from servers.triton_service.config import RepositorySpec
from servers.triton_service.plain_paths import plain_folder
from servers.triton_service.repository import count_labels, write_repository

pytestmark = pytest.mark.live

CONFIDENCE_TOLERANCE = 1e-3
TINY = ("two-inputs", "busy", "wide", "pinned")


@pytest.fixture(scope="module")
def running(model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """One Triton with all endpoints open: tiny models, and the study's own ensemble."""
    with (
        plain_folder(tmp_path_factory.mktemp("triton")) as work,
        bench(work) as running,
    ):
        spec = RepositorySpec("embedded", count_labels(model_dir), model_dir)
        write_repository(running.repository, spec)
        loaded = {name: running.load(name) for name in (*TINY, "text_classifier")}
        assert set(loaded.values()) == {LOADED}, loaded
        yield running


class Way:
    """One of the four clients, with one connection for all that a test asks."""

    def __init__(self, url: str, is_async: bool) -> None:
        self._url = url
        self._is_async = is_async

    def __enter__(self) -> "Way":
        self._opened = ExitStack()
        if self._is_async:
            self._runner = self._opened.enter_context(asyncio.Runner())
            self._router: Any = AsyncRouter(self._url)
            self._runner.run(self._router.__aenter__())
            self._opened.callback(
                lambda: self._runner.run(self._router.__aexit__(None, None, None))
            )
        else:
            self._router = self._opened.enter_context(Router(self._url))
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def ask(self, method: str, *args: Any, **options: Any) -> Any:
        reply = getattr(self._router, method)(*args, **options)
        return self._runner.run(reply) if self._is_async else reply

    def with_regions(self, sizes: tuple[int, ...], use: Callable[[list[Any]], Any]) -> Any:
        """What use makes of regions of these sizes."""
        if not self._is_async:
            with ExitStack() as stack:
                return use([stack.enter_context(self._router.region(size)) for size in sizes])
        opened = [self._router.region(size) for size in sizes]
        regions = [self._runner.run(each.__aenter__()) for each in opened]
        try:
            return use(regions)
        finally:
            for each in opened:
                self._runner.run(each.__aexit__(None, None, None))


@pytest.fixture(params=["grpc", "http", "grpc-async", "http-async"])
def way(request: pytest.FixtureRequest, running: Bench) -> Iterator[Way]:
    protocol, _, is_async = request.param.partition("-")
    with Way(url_of(running, protocol), bool(is_async)) as way:
        yield way


def url_of(running: Bench, protocol: str) -> str:
    port = running.ports.grpc if protocol == "grpc" else running.ports.http
    return f"{protocol}://127.0.0.1:{port}"


def connections_to(running: Bench) -> int:
    """Those over HTTP that this process has open."""
    mine = psutil.Process().net_connections("tcp")
    return sum(bool(each.raddr) and each.raddr.port == running.ports.http for each in mine)


def rows(*shape: int, start: int = 0) -> Any:
    n = int(np.prod(shape))
    return np.arange(start, start + n, dtype=np.int64).reshape(shape)


def test_a_model_is_described_alike(way: Way) -> None:
    sized = (-1, 4)
    assert way.ask("model", "two-inputs") == ModelSpec(
        name="two-inputs",
        versions=("1",),
        max_batch_size=8,
        inputs=(TensorSpec("X", "INT64", sized), TensorSpec("Z", "INT64", sized)),
        outputs=(TensorSpec("Y", "INT64", sized),),
    )


def test_numbers_come_back_as_they_were_sent(way: Way) -> None:
    given = rows(3, 4)
    found = way.ask("infer", "echo", {"X": given})
    assert list(found) == ["Y"]
    assert found["Y"].dtype == np.int64
    assert found["Y"].tolist() == given.tolist()


def test_the_ensemble_and_a_chain_of_its_models_give_the_reference_answers(
    way: Way, traffic: list[dict[str, Any]]
) -> None:
    texts = traffic[:8]
    batch = np.array([[text["text"]] for text in texts])

    together = way.ask("infer", "text_classifier", {"TEXT": batch})
    chained = way.ask("infer_chain", example.CHAIN, {"text": batch})

    for labels, confidences in (
        (together["LABEL"], together["CONFIDENCE"]),
        (chained["label"], chained["confidence"]),
    ):
        assert [label.decode() for label in labels.ravel()] == [text["label"] for text in texts]
        expected = [text["confidence"] for text in texts]
        assert confidences.ravel().tolist() == pytest.approx(expected, abs=CONFIDENCE_TOLERANCE)


def test_what_does_not_fit_never_reaches_triton(way: Way, running: Bench) -> None:
    wrong = ({"X": rows(1, 4)}, {"X": rows(4), "Z": rows(4)}, {"X": rows(1, 4), "Z": rows(2, 4)})
    for given in wrong:
        with pytest.raises(UsageError, match="model 'two-inputs'"):
            way.ask("infer", "two-inputs", given)
    assert running.counts("two-inputs") == (0, 0)


@pytest.mark.parametrize("asked", [{"model": "nope"}, {"model": "echo", "version": "9"}])
def test_an_unknown_model_or_version_is_said_to_be_one(way: Way, asked: dict[str, str]) -> None:
    with pytest.raises(UnknownModelError) as refused:
        way.ask("infer", inputs={"X": rows(1, 4)}, **asked)
    assert str(refused.value).startswith(f"model {asked['model']!r}: expected it to be served at ")


def test_what_the_model_refuses_is_said_in_its_words(way: Way) -> None:
    with pytest.raises(RefusedError, match="'text_classifier': Triton refused .*expected a text"):
        way.ask("infer", "text_classifier", {"TEXT": np.array([[" "]])})


def test_a_deadline_that_passes_ends_the_call_and_leaves_the_router_usable(way: Way) -> None:
    way.ask("infer", "echo", {"X": rows(1, 4)})
    with pytest.raises(LateError, match=r"model 'busy': expected an answer within 0\.2 s"):
        way.ask("infer", "busy", {"X": rows(1, 4)}, deadline_s=0.2)
    assert way.ask("infer", "echo", {"X": rows(1, 4, start=5)})["Y"].tolist() == [[5, 6, 7, 8]]


def test_shared_memory_gives_the_same_bytes_as_the_wire(way: Way) -> None:
    given, texts = rows(2, 1000), np.array([["where is my parcel"], ["我的快递"]])
    sent = way.ask("infer", "wide", {"X": given})["Y"]
    sent_texts = way.ask("infer", "text_classifier", {"TEXT": texts})

    def shared(regions: list[Any]) -> Any:
        into, out, text, label = regions
        numbers = way.ask("infer", "wide", {"X": given}, regions={"X": into, "Y": out})["Y"]
        classes = way.ask(
            "infer", "text_classifier", {"TEXT": texts}, regions={"TEXT": text, "LABEL": label}
        )
        return numbers, classes

    numbers, classes = way.with_regions((given.nbytes, given.nbytes, 100, 100), shared)
    assert numbers.tobytes() == sent.tobytes() == given.tobytes()
    assert classes["LABEL"].tolist() == sent_texts["LABEL"].tolist()
    assert classes["CONFIDENCE"] == pytest.approx(sent_texts["CONFIDENCE"])
    assert list(Path("/dev/shm").glob("client-*")) == []


def test_a_region_too_small_for_an_output_is_refused_in_tritons_words(way: Way) -> None:
    def ask(regions: list[Any]) -> None:
        way.ask("infer", "echo", {"X": rows(1, 4)}, regions={"Y": regions[0]})

    with pytest.raises(ClientError, match="shared memory size specified with the request for"):
        way.with_regions((8,), ask)


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_threads_that_share_a_router_get_their_own_answers(running: Bench, protocol: str) -> None:
    with Router(url_of(running, protocol)) as router, ThreadPoolExecutor(4) as pool:
        given = [rows(1, 4, start=start) for start in range(40)]
        found = list(pool.map(lambda one: router.infer("echo", {"X": one})["Y"], given))
    assert [each.tolist() for each in found] == [each.tolist() for each in given]
    assert connections_to(running) == 0


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_the_example_runs(
    running: Bench, protocol: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert example.main([url_of(running, protocol)]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "live True, ready True, serves True"
    assert printed[2].startswith("not sent: model 'classifier': expected the inputs input_ids, ")
    step_by_step, at_once = (line.partition(": ")[2] for line in printed[3:])
    assert step_by_step == at_once


def test_the_example_says_in_one_sentence_that_nobody_answers(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert example.main(["grpc://127.0.0.1:1"]) == 2
    assert capsys.readouterr().err.startswith("expected a Triton at grpc://127.0.0.1:1, found none")


def test_a_canary_finds_the_dead_process_that_the_health_page_does_not(running: Bench) -> None:
    def health(protocol: str, is_async: bool) -> Any:
        with Way(url_of(running, protocol), is_async) as way:
            return way.ask("health", ["echo", "pinned"])

    assert health("grpc", is_async=False).serves
    family = psutil.Process(running.server.pid).children(recursive=True)
    lines = {process: process.cmdline() for process in family}
    dead = [
        process
        for process, line in lines.items()
        if "triton_python_backend_stub" in "".join(line[:1])
        and any("/pinned/" in part for part in line)
    ]
    for process in dead:
        process.kill()
    assert len(dead) == 1
    try:
        found = [health("grpc", False), health("http", False), health("grpc", True)]
        found.append(health("http", True))
    finally:
        running.client.unload_model("pinned")
    for each in found:
        assert (each.live, each.ready, each.serves) == (True, True, False)
        assert each.problems["echo"] == ""
        assert each.problems["pinned"].startswith("model 'pinned': Triton failed: ")
