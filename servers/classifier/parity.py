"""Whether two engines compute the same network: proved before the second one is used."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from servers.classifier.errors import ClassifierError

Infer = Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[np.float32]]

_TOLERANCE = 1e-4
# Batch size and padded length of the compared batches; none is the size of a traced example.
_SHAPES = ((1, 3), (1, 16), (3, 37), (8, 64), (2, 128))


def require_parity(reference: Infer, other: Infer, vocabulary_size: int, what: str) -> float:
    """The largest gap between the logits of the two, over mixed lengths and batch sizes;
    ClassifierError, which names the other by `what`, when it is beyond the tolerance."""
    rng = np.random.default_rng(0)
    gap = 0.0
    for batch, length in _SHAPES:
        input_ids = rng.integers(0, vocabulary_size, (batch, length), dtype=np.int64)
        lengths = rng.integers(1, length + 1, (batch, 1))
        attention_mask = (np.arange(length) < lengths).astype(np.int64)
        difference = other(input_ids, attention_mask) - reference(input_ids, attention_mask)
        gap = max(gap, float(np.abs(difference).max()))
    if not gap <= _TOLERANCE:
        raise ClassifierError(
            f"expected {what} to give PyTorch's logits within {_TOLERANCE:g}, found a gap of "
            f"{gap:.2g}: this network cannot be compared across engines."
        )
    return gap
