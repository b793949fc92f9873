"""A simulated device in the place of a network of transformers: called alike, answers alike."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self

import torch

from servers.classifier.encoding import read_labels
from servers.classifier.engines import load_engine
from servers.placement import Placement


class ReplayedNetwork:
    """What a service that calls transformers directly uses of a network: its call, the names of its
    labels, and that it can be moved and set to evaluate, which changes nothing here."""

    def __init__(self, model_dir: Path, placement: Placement) -> None:
        self._engine = load_engine("replay", model_dir, 1, placement)
        self.config = SimpleNamespace(id2label=dict(enumerate(read_labels(model_dir))))

    def __call__(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, **_: Any
    ) -> SimpleNamespace:
        logits = self._engine.infer(input_ids.numpy(), attention_mask.numpy())
        return SimpleNamespace(logits=torch.from_numpy(logits))

    def to(self, _: torch.device) -> Self:
        return self

    def eval(self) -> Self:
        return self
