"""Recorded CUDA graphs, one for each shape that batches are padded to."""

from collections.abc import Callable
from threading import Lock
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from servers.classifier.encoding import padded_length
from servers.contract import LENGTH_BUCKETS, MAX_BATCH_TEXTS

BATCH_BUCKETS = tuple(2**power for power in range(MAX_BATCH_TEXTS.bit_length()))
"""1, 2, 4, ... up to the largest batch of the wire contract."""

_WARM_UP_PASSES = 3

Network = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""logits float32[batch, labels] of input_ids and attention_mask, both int64[batch, length]"""


class Graph(Protocol):
    def replay(self, inputs: NDArray[np.int64]) -> NDArray[np.float32]:
        """logits float32[batch, labels] of int64[2, batch, length]: ids, then attention mask."""
        ...


class BucketedGraphs:
    """Answers batches with the graph of the smallest shape that holds them; all graphs are made
    at once, so that no request pays for one. Safe to share between threads."""

    def __init__(self, make: Callable[[int, int], Graph]) -> None:
        # The largest first: the smaller ones then find room in the memory it has taken.
        self._graphs = {
            (batch, length): make(batch, length)
            for batch in reversed(BATCH_BUCKETS)
            for length in reversed(LENGTH_BUCKETS)
        }
        self._lock = Lock()
        self.n_beyond = 0
        """Batches so far that no graph could hold."""

    def infer(
        self, input_ids: NDArray[np.int64], attention_mask: NDArray[np.int64]
    ) -> NDArray[np.float32] | None:
        """logits float32[batch, labels]; None, and counted, when the batch is beyond every shape.

        What is added as padding is masked, and its rows are cut off again.
        """
        n_rows, width = input_ids.shape
        try:
            shape = (padded_length(n_rows, BATCH_BUCKETS), padded_length(width, LENGTH_BUCKETS))
        except ValueError:
            with self._lock:
                self.n_beyond += 1
            return None
        inputs = np.zeros((2, *shape), dtype=np.int64)
        inputs[0, :n_rows, :width] = input_ids
        inputs[1, :n_rows, :width] = attention_mask
        with self._lock:  # the graphs share their memory
            return self._graphs[shape].replay(inputs)[:n_rows]


class CudaGraphRecorder:
    """Records one graph a shape from a network on a CUDA device, as torch's notes on CUDA graphs
    ask for: static inputs and outputs, and a warm-up on the stream that is then recorded."""

    def __init__(self, network: Network, device: torch.device) -> None:
        self._network = network
        self._device = device
        self._stream = torch.cuda.Stream(device)
        self._memory = torch.cuda.graph_pool_handle()

    def __call__(self, batch: int, length: int) -> "CudaGraph":
        inputs = torch.zeros((2, batch, length), dtype=torch.int64, device=self._device)
        # One token a row is real: with all of them the network might leave the mask out, and the
        # graph would then ignore every mask to come.
        inputs[1, :, 0] = 1
        self._stream.wait_stream(torch.cuda.current_stream(self._device))
        with torch.cuda.stream(self._stream):
            for _ in range(_WARM_UP_PASSES):
                self._network(inputs[0], inputs[1])
        torch.cuda.current_stream(self._device).wait_stream(self._stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._memory, stream=self._stream):
            logits = self._network(inputs[0], inputs[1])
        return CudaGraph(graph, inputs, logits)


class CudaGraph:
    """One recorded graph with the tensors that it reads and writes."""

    def __init__(self, graph: Any, inputs: torch.Tensor, logits: torch.Tensor) -> None:
        self._graph = graph
        self._inputs = inputs
        self._logits = logits

    def replay(self, inputs: NDArray[np.int64]) -> NDArray[np.float32]:
        with torch.inference_mode():
            self._inputs.copy_(torch.from_numpy(inputs))
            self._graph.replay()
            array: NDArray[np.float32] = self._logits.cpu().numpy()  # waits for the device
        return array
