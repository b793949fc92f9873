"""Texts of several callers as few forward passes: one for each length bucket that occurs."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from servers.classifier import Classifier, Encoded, Prediction
from servers.classifier.encoding import padded_length
from servers.contract import LENGTH_BUCKETS


@dataclass(frozen=True)
class Batch:
    """One forward pass; positions are those of its rows among the texts taken together."""

    positions: tuple[int, ...]
    encoded: Encoded


def predict_by_bucket(
    classifier: Classifier,
    rows: Sequence[Encoded],
    count: Callable[[NDArray[np.int64], int], None],
) -> list[Prediction]:
    """The answers to single-text rows, in their order; count hears of each forward pass the real
    lengths and the padded one."""
    answers: dict[int, Prediction] = {}
    for batch in batches_by_bucket(rows, LENGTH_BUCKETS):
        predictions = classifier.decode(classifier.infer(batch.encoded))
        count(batch.encoded.lengths, batch.encoded.input_ids.shape[1])
        answers.update(zip(batch.positions, predictions, strict=True))
    return [answers[position] for position in range(len(answers))]


def batches_by_bucket(rows: Sequence[Encoded], buckets: Sequence[int]) -> list[Batch]:
    """Single-text rows as one batch for each bucket that occurs.

    A short text padded to its longest neighbour costs as much as that neighbour; Triton does not
    batch across shapes either.
    """
    positions: dict[int, list[int]] = defaultdict(list)
    for position, row in enumerate(rows):
        positions[padded_length(row.input_ids.shape[1], buckets)].append(position)
    return [
        Batch(tuple(members), _stack([rows[member] for member in members], length))
        for length, members in positions.items()
    ]


def _stack(rows: Sequence[Encoded], length: int) -> Encoded:
    # Padding may hold any id: the attention mask hides it.
    input_ids = np.zeros((len(rows), length), dtype=np.int64)
    attention_mask = np.zeros_like(input_ids)
    for index, row in enumerate(rows):
        input_ids[index, : row.input_ids.shape[1]] = row.input_ids[0]
        attention_mask[index, : row.input_ids.shape[1]] = row.attention_mask[0]
    return Encoded(input_ids, attention_mask, np.concatenate([row.lengths for row in rows]))
