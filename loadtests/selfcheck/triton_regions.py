"""A tensor that goes to Triton and back through system shared memory."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tritonclient.grpc import InferInput, InferRequestedOutput
from tritonclient.utils import shared_memory

from loadtests.selfcheck.triton_bench import Bench

NAME = "checked"


@contextmanager
def region_for(bench: Bench, content: NDArray[np.int64]) -> Iterator[Any]:
    """A region, registered as NAME, that holds the input and has room for the output behind it."""
    key, n_bytes = f"/study_{NAME}_{bench.server.pid}_{content.nbytes}", 2 * content.nbytes
    region = shared_memory.create_shared_memory_region(NAME, key, n_bytes)
    try:
        shared_memory.set_shared_memory_region(region, [content])
        bench.client.register_system_shared_memory(NAME, key, n_bytes)
        yield region
        bench.client.unregister_system_shared_memory(NAME)
    finally:
        shared_memory.destroy_shared_memory_region(region)


def in_region(content: NDArray[np.int64]) -> tuple[InferInput, InferRequestedOutput]:
    """Where gRPC finds the input X and puts the output Y."""
    given, wanted = InferInput("X", list(content.shape), "INT64"), InferRequestedOutput("Y")
    given.set_shared_memory(NAME, content.nbytes)
    wanted.set_shared_memory(NAME, content.nbytes, offset=content.nbytes)
    return given, wanted
