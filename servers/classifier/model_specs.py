"""What is built: sizes of the network and how it is trained. Plain values, no engine."""

from dataclasses import dataclass


@dataclass(frozen=True)
class NetworkSpec:
    """One size of the BERT sequence classifier; vocabulary_size None: as large as needed."""

    name: str
    layers: int
    width: int
    heads: int
    intermediate: int
    max_positions: int
    dropout: float
    vocabulary_size: int | None = None


@dataclass(frozen=True)
class TrainingSpec:
    """accuracy_floor is the share of held-out messages below which a build fails."""

    n_training: int = 4000
    n_heldout: int = 1000
    epochs: int = 2
    batch_size: int = 16
    peak_learning_rate: float = 1e-3
    accuracy_floor: float = 0.95


SMALL = NetworkSpec(
    "small", layers=4, width=128, heads=4, intermediate=512, max_positions=128, dropout=0.0
)
BASE = NetworkSpec(
    "base",
    layers=12,
    width=768,
    heads=12,
    intermediate=3072,
    max_positions=512,
    dropout=0.1,
    vocabulary_size=21128,
)
"""The architecture of bert-base-chinese."""
