"""Text to token ids and logits to labels, without any engine.

Self-contained (numpy, tokenizers and the standard library only): the Triton repository generator
copies this very file next to Triton's model.py, so that all contenders run the same code.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer


@dataclass(frozen=True)
class Encoded:
    """input_ids, attention_mask: int64[batch, length]; lengths: int64[batch], real tokens a row."""

    input_ids: NDArray[np.int64]
    attention_mask: NDArray[np.int64]
    lengths: NDArray[np.int64]


@dataclass(frozen=True)
class Prediction:
    """The most likely label and its softmax probability."""

    label: str
    confidence: float


class Encoder:
    """Tokenises with the tokenizer.json of a model folder; safe to share between threads."""

    def __init__(self, model_dir: Path) -> None:
        self._tokenizer = Tokenizer.from_file(str(model_dir / "tokenizer.json"))
        self._truncation_side = (self._tokenizer.truncation or {}).get("direction", "right")
        # Truncation set on the tokenizer itself would be shared by all threads, and padding would
        # add to the real lengths: both are done per call instead.
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._n_special_tokens: int = self._tokenizer.num_special_tokens_to_add(is_pair=False)
        self._pad_id = int(_read_config(model_dir).get("pad_token_id") or 0)

    def encode(
        self, texts: Sequence[str], max_length: int, buckets: Sequence[int] | None = None
    ) -> Encoded:
        """Truncates to max_length tokens and pads to the longest row, or to the smallest bucket
        that holds the longest row; ValueError when no bucket does."""
        rows = [self._token_ids(text, max_length) for text in texts]
        lengths = np.array([len(row) for row in rows], dtype=np.int64)
        width = padded_length(max(map(len, rows), default=0), buckets)
        attention_mask = (np.arange(width) < lengths[:, None]).astype(np.int64)
        input_ids = np.full((len(rows), width), self._pad_id, dtype=np.int64)
        for row_index, row in enumerate(rows):
            input_ids[row_index, : len(row)] = row
        return Encoded(input_ids, attention_mask, lengths)

    def _token_ids(self, text: str, max_length: int) -> list[int]:
        # One text at a time: encode_batch starts threads of its own, outside the core budget.
        encoding = self._tokenizer.encode(text, add_special_tokens=False)
        encoding.truncate(max_length - self._n_special_tokens, direction=self._truncation_side)
        ids: list[int] = self._tokenizer.post_process(encoding).ids
        return ids


def padded_length(longest: int, buckets: Sequence[int] | None) -> int:
    """The length, in tokens, that a batch is padded to."""
    if buckets is None:
        return longest
    fitting = [bucket for bucket in buckets if bucket >= longest]
    if not fitting:
        raise ValueError(
            f"expected a length bucket of at least {longest} tokens, found {list(buckets)}: "
            "lower max_length or add a bucket."
        )
    return min(fitting)


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Probabilities, float32[batch, labels]; each row sums to one."""
    exponents = np.exp(logits.astype(np.float32) - logits.max(axis=-1, keepdims=True))
    probabilities: NDArray[np.float32] = exponents / exponents.sum(axis=-1, keepdims=True)
    return probabilities


def decode(logits: NDArray[np.float32], labels: Sequence[str]) -> list[Prediction]:
    """One prediction a row of logits[batch, labels]."""
    probabilities = softmax(logits)
    best = probabilities.argmax(axis=-1)
    return [
        Prediction(labels[index], float(row[index]))
        for index, row in zip(best, probabilities, strict=True)
    ]


def read_labels(model_dir: Path) -> tuple[str, ...]:
    """The labels in the order of the logits, from config.json."""
    by_index = _read_config(model_dir)["id2label"]
    return tuple(by_index[str(index)] for index in range(len(by_index)))


def _read_config(model_dir: Path) -> dict[str, Any]:
    config: dict[str, Any] = json.loads((model_dir / "config.json").read_text(encoding="utf-8"))
    return config
