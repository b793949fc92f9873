"""Padding to recorded shapes and the order of recording, with fakes in place of a GPU."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from transformers import AutoModelForSequenceClassification

from servers.classifier import load_classifier
from servers.classifier.cuda_graphs import (
    BATCH_BUCKETS,
    BucketedGraphs,
    CudaGraph,
    CudaGraphRecorder,
)
from servers.contract import LENGTH_BUCKETS

TEXTS = ["hi", "where is my order #1234? it should be here", "我要投诉，电饭煲坏了" * 12]


class Echo:
    """A graph that answers each row with the sum of its ids and of its mask, and remembers."""

    def __init__(self, batch: int, length: int) -> None:
        self.shape = (2, batch, length)
        self.replayed: list[NDArray[np.int64]] = []

    def replay(self, inputs: NDArray[np.int64]) -> NDArray[np.float32]:
        assert inputs.shape == self.shape
        self.replayed.append(inputs)
        return inputs.sum(axis=-1).T.astype(np.float32)


@pytest.fixture
def echoes() -> dict[tuple[int, int], Echo]:
    return {}


@pytest.fixture
def graphs(echoes: dict[tuple[int, int], Echo]) -> BucketedGraphs:
    def make(batch: int, length: int) -> Echo:
        echoes[batch, length] = Echo(batch, length)
        return echoes[batch, length]

    return BucketedGraphs(make)


def ones(batch: int, length: int) -> NDArray[np.int64]:
    return np.ones((batch, length), dtype=np.int64)


def test_there_is_one_graph_a_shape_and_the_largest_is_made_first(
    graphs: BucketedGraphs, echoes: dict[tuple[int, int], Echo]
) -> None:
    assert list(echoes)[0] == (64, 128)
    assert set(echoes) == {(b, n) for b in (1, 2, 4, 8, 16, 32, 64) for n in LENGTH_BUCKETS}


@pytest.mark.parametrize(
    ("given", "recorded"),
    [((1, 16), (1, 16)), ((1, 3), (1, 16)), ((3, 17), (4, 32)), ((33, 128), (64, 128))],
)
def test_a_batch_takes_the_smallest_graph_that_holds_it(
    graphs: BucketedGraphs,
    echoes: dict[tuple[int, int], Echo],
    given: tuple[int, int],
    recorded: tuple[int, int],
) -> None:
    graphs.infer(ones(*given), ones(*given))
    assert [shape for shape, echo in echoes.items() if echo.replayed] == [recorded]


def test_padding_is_masked_and_its_rows_are_cut_off(
    graphs: BucketedGraphs, echoes: dict[tuple[int, int], Echo]
) -> None:
    logits = graphs.infer(7 * ones(3, 20), ones(3, 20))
    np.testing.assert_array_equal(logits, [[140, 20]] * 3)
    (_, mask) = echoes[4, 32].replayed[0]
    assert mask[:3, :20].all()
    assert not mask[3:].any()
    assert not mask[:, 20:].any()


@pytest.mark.parametrize("beyond", [(65, 16), (1, 129)])
def test_a_batch_beyond_every_graph_is_left_and_counted(
    graphs: BucketedGraphs, beyond: tuple[int, int]
) -> None:
    assert graphs.infer(ones(*beyond), ones(*beyond)) is None
    assert graphs.n_beyond == 1
    assert graphs.infer(ones(1, 16), ones(1, 16)) is not None
    assert graphs.n_beyond == 1


def test_graphs_which_share_memory_are_replayed_one_at_a_time() -> None:
    inside: list[int] = []
    most: list[int] = []

    class Slow(Echo):
        def replay(self, inputs: NDArray[np.int64]) -> NDArray[np.float32]:
            inside.append(1)
            most.append(len(inside))
            time.sleep(0.001)
            inside.pop()
            return super().replay(inputs)

    graphs = BucketedGraphs(Slow)
    with ThreadPoolExecutor(8) as pool:
        shapes = [(1 + k % 3, 16) for k in range(32)]
        list(pool.map(lambda shape: graphs.infer(ones(*shape), ones(*shape)), shapes))
    assert len(most) == 32
    assert max(most) == 1


def test_the_engine_gives_the_same_answers_through_graphs(small_model_dir: Path) -> None:
    eager = load_classifier(small_model_dir, "torch", threads=1)
    expected = eager.infer(eager.encode(TEXTS))

    class Network:
        def replay(self, inputs: NDArray[np.int64]) -> NDArray[np.float32]:
            return eager.engine.infer(inputs[0], inputs[1])

    recorded = load_classifier(small_model_dir, "torch", threads=1)
    graphs = BucketedGraphs(lambda batch, length: Network())
    recorded.engine.graphs = graphs  # type: ignore[attr-defined]  # the engine is torch's
    found = recorded.infer(recorded.encode(TEXTS))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)
    assert graphs.n_beyond == 0
    many = recorded.encode(TEXTS[:1] * 65)
    assert recorded.infer(many).shape == (65, 10)
    assert graphs.n_beyond == 1


def test_every_shape_is_warmed_up_on_the_stream_that_is_then_recorded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    happened: list[str] = []
    masks: list[torch.Tensor] = []

    class Stream:
        def __init__(self, name: str) -> None:
            self.name = name

        def wait_stream(self, other: "Stream") -> None:
            happened.append(f"{self.name} waits for {other.name}")

    @contextmanager
    def entered(what: str) -> Iterator[None]:
        happened.append(f"begin {what}")
        yield
        happened.append(f"end {what}")

    def network(input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        happened.append("network")
        masks.append(attention_mask)
        return input_ids.float()

    side, usual, pools = Stream("side"), Stream("usual"), []

    def graph(_: object, pool: object, stream: Stream) -> object:
        pools.append(pool)
        return entered(f"recording on {stream.name}")

    monkeypatch.setattr(torch.cuda, "Stream", lambda device: side)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: usual)
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: entered(f"stream {stream.name}"))
    monkeypatch.setattr(torch.cuda, "graph", graph)
    monkeypatch.setattr(torch.cuda, "graph_pool_handle", object)
    monkeypatch.setattr(torch.cuda, "CUDAGraph", object)
    record = CudaGraphRecorder(network, torch.device("cpu"))
    record(2, 16)
    assert happened == [
        "side waits for usual",
        "begin stream side",
        *["network"] * 3,
        "end stream side",
        "usual waits for side",
        "begin recording on side",
        "network",
        "end recording on side",
    ]
    # A mask without a zero could be left out of what is recorded.
    assert all((mask == 0).any() for mask in masks)
    record(1, 16)
    assert pools[0] is pools[1]


def test_a_replay_reads_the_static_inputs_and_gives_the_static_output() -> None:
    inputs, logits = torch.zeros((2, 3, 4), dtype=torch.int64), torch.zeros((3, 1))

    class Recorded:
        def replay(self) -> None:
            logits.copy_(inputs.sum(dim=(0, 2))[:, None])

    graph = CudaGraph(Recorded(), inputs, logits)
    given = np.arange(24).reshape(2, 3, 4)
    np.testing.assert_array_equal(graph.replay(given), given.sum(axis=(0, 2))[:, None])


def test_nothing_in_the_network_waits_for_the_device_while_it_is_recorded(
    small_model_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Tensors on "meta" have no values: whatever asks for one, as a recording must not, fails.
    monkeypatch.setattr("transformers.utils.import_utils.is_cuda_stream_capturing", lambda: True)
    network = AutoModelForSequenceClassification.from_pretrained(small_model_dir).eval()
    ids = torch.ones((2, 16), dtype=torch.int64, device="meta")
    with torch.inference_mode():
        logits = network.half().to("meta")(input_ids=ids, attention_mask=ids).logits
    assert logits.shape == (2, 10)


def test_the_buckets_reach_the_largest_batch_of_the_contract() -> None:
    assert BATCH_BUCKETS == (1, 2, 4, 8, 16, 32, 64)
