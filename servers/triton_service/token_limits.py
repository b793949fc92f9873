"""What the model `classifier` takes: checked before the engine, whose refusal fails a batch."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from servers.contract import MAX_LENGTH_TOKENS

Tokens = NDArray[np.int64]


@dataclass(frozen=True)
class Batch:
    """The rows of those requests, by their indices, that have one padded length."""

    indices: Sequence[int]
    input_ids: Tokens
    attention_mask: Tokens


@dataclass(frozen=True)
class TokenLimits:
    """Rows of up to max_length_tokens ids, each below vocab_size, and masks of zeros and ones."""

    vocab_size: int
    max_length_tokens: int = MAX_LENGTH_TOKENS

    @classmethod
    def of_model(cls, model_dir: Path) -> Self:
        config = json.loads((model_dir / "config.json").read_text(encoding="utf-8"))
        return cls(int(config["vocab_size"]))

    def batches(
        self, ids: Sequence[Tokens], masks: Sequence[Tokens]
    ) -> tuple[list[Batch], dict[int, str]]:
        """The batches to run, and what is wrong with each request that is in none of them."""
        problems: dict[int, str] = {}
        by_length: dict[int, list[int]] = {}
        for index, (own_ids, own_mask) in enumerate(zip(ids, masks, strict=True)):
            if problem := self._shape_problem(own_ids, own_mask):
                problems[index] = problem
            else:
                by_length.setdefault(own_ids.shape[1], []).append(index)
        batches = []
        for indices in by_length.values():
            batch = _joined(indices, ids, masks)
            if not self._fits(batch):
                wrong = {i: p for i in indices if (p := self._number_problem(ids[i], masks[i]))}
                problems |= wrong
                indices = [index for index in indices if index not in wrong]
                if not indices:
                    continue
                batch = _joined(indices, ids, masks)
            batches.append(batch)
        return batches, problems

    def _shape_problem(self, ids: Tokens, mask: Tokens) -> str | None:
        if ids.shape == mask.shape and 1 <= ids.shape[1] <= self.max_length_tokens and len(ids):
            return None
        return (
            "expected input_ids and attention_mask of one shape, [batch, 1 to "
            f"{self.max_length_tokens} tokens], found {list(ids.shape)} and {list(mask.shape)}."
        )

    def _fits(self, batch: Batch) -> bool:
        # Read without a sign a negative number is a huge one: one comparison bounds both sides.
        return bool(
            batch.input_ids.view(np.uint64).max() < self.vocab_size
            and batch.attention_mask.view(np.uint64).max() <= 1
        )

    def _number_problem(self, ids: Tokens, mask: Tokens) -> str | None:
        wrong = ids[(ids < 0) | (ids >= self.vocab_size)]
        if len(wrong):
            return f"expected input_ids of 0 to {self.vocab_size - 1}, found {wrong[0]}."
        wrong = mask[(mask != 0) & (mask != 1)]
        if len(wrong):
            return f"expected an attention_mask of 0 and 1, found {wrong[0]}."
        return None


def _joined(indices: Sequence[int], ids: Sequence[Tokens], masks: Sequence[Tokens]) -> Batch:
    return Batch(
        indices,
        np.concatenate([ids[index] for index in indices]),
        np.concatenate([masks[index] for index in indices]),
    )
