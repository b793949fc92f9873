"""The one BERT classifier that all contenders share: built, loaded and run here."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from servers.classifier.encoding import (
    Encoded,
    Encoder,
    Prediction,
    decode,
    read_labels,
    softmax,
)
from servers.classifier.engines import Engine, load_engine
from servers.contract import MAX_LENGTH_TOKENS
from servers.engines import EngineName
from servers.placement import CPU, EngineUnavailableError, Placement, placement_from

__all__ = [
    "Classifier",
    "Encoded",
    "Encoder",
    "Engine",
    "EngineName",
    "EngineUnavailableError",
    "Placement",
    "Prediction",
    "decode",
    "load_classifier",
    "load_engine",
    "placement_from",
    "read_labels",
    "softmax",
]


@dataclass(frozen=True)
class Classifier:
    """Texts to predictions, whole or in the three steps that a batching server runs apart."""

    encoder: Encoder
    engine: Engine
    labels: tuple[str, ...]

    def encode(
        self,
        texts: Sequence[str],
        max_length: int = MAX_LENGTH_TOKENS,
        buckets: Sequence[int] | None = None,
    ) -> Encoded:
        return self.encoder.encode(texts, max_length, buckets)

    def infer(self, encoded: Encoded) -> NDArray[np.float32]:
        """logits float32[batch, labels]"""
        return self.engine.infer(encoded.input_ids, encoded.attention_mask)

    def decode(self, logits: NDArray[np.float32]) -> list[Prediction]:
        return decode(logits, self.labels)

    def predict(
        self,
        texts: Sequence[str],
        max_length: int = MAX_LENGTH_TOKENS,
        buckets: Sequence[int] | None = None,
    ) -> list[Prediction]:
        return self.decode(self.infer(self.encode(texts, max_length, buckets)))


def load_classifier(
    model_dir: Path, engine: EngineName, threads: int, placement: Placement = CPU
) -> Classifier:
    """Loads the artefacts of `python -m servers.classifier build` on `threads` cores;
    EngineUnavailableError when the engine cannot run as placed."""
    return Classifier(
        Encoder(model_dir),
        load_engine(engine, model_dir, threads, placement),
        read_labels(model_dir),
    )
