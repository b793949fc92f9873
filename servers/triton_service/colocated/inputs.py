"""Seeded inputs of the co-located models."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from servers.triton_service.models_file.description import ModelEntry, Tensor

Inputs = Mapping[str, NDArray[Any]]
"""The input tensors of one request, by name, each with a batch dimension of 1."""


def seeded_inputs(model: ModelEntry, n: int, seed: int) -> list[Inputs]:
    """n requests; same seed, same content."""
    rng = np.random.default_rng((seed, n))
    return [{tensor.name: _content(tensor, rng) for tensor in model.inputs} for _ in range(n)]


def _content(tensor: Tensor, rng: np.random.Generator) -> NDArray[Any]:
    shape = (1, *tensor.dims)
    if tensor.name == "image":
        # A colour of its own under the noise: of noise alone the network says nearly the same,
        # and an answer that went to the wrong request would not be noticed.
        colour = rng.integers(32, 224, size=(1, 3, 1, 1))
        return (colour + rng.integers(-32, 32, size=shape)).astype(np.uint8)
    if tensor.name == "categories":
        return rng.integers(0, 1 << 32, size=shape, dtype=np.int64)  # as Criteo's, hashed already
    return rng.lognormal(1.0, 1.0, size=shape).astype(np.float32)
