"""The checkpoint as one ONNX file, checked against PyTorch."""

import warnings
from pathlib import Path

import numpy as np
import torch
from transformers import PreTrainedModel

from servers.classifier.engines import load_engine
from servers.classifier.errors import ClassifierError

_OPSET = 17
_TOLERANCE = 1e-4
# Batch size and padded length of the compared batches; none is the size of the traced example.
_PARITY_SHAPES = ((1, 3), (1, 16), (3, 37), (8, 64), (2, 128))
# Why this exporter: see export_onnx. That its trace holds for any shape: see verify_parity.
_ANSWERED_WARNINGS = (
    "You are using the legacy TorchScript-based ONNX export",
    "The feature will be removed",
    "Exporting aten::index operator",
    "Constant folding - Only steps=1",
    "To copy construct from a tensor",
)


class _Logits(torch.nn.Module):
    def __init__(self, network: PreTrainedModel) -> None:
        super().__init__()
        self.network = network

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.network(
            input_ids=input_ids, attention_mask=attention_mask
        ).logits
        return logits


def export_onnx(network: PreTrainedModel, path: Path) -> None:
    """Writes path with free batch and length; network needs the "eager" attention, which traces
    to plain matrix products.

    The TorchScript exporter is deprecated, but writes a single file and needs no further library;
    the newer one writes the weights beside it and needs onnxscript.
    """
    example = torch.ones((2, 12), dtype=torch.int64)
    axes = {0: "batch", 1: "length"}
    with warnings.catch_warnings(), torch.inference_mode():
        for message in _ANSWERED_WARNINGS:
            warnings.filterwarnings("ignore", message)
        warnings.filterwarnings("ignore", category=torch.jit.TracerWarning)
        torch.onnx.export(
            _Logits(network),
            (example, example),
            path,
            input_names=["input_ids", "attention_mask"],
            output_names=["logits"],
            dynamic_axes={"input_ids": axes, "attention_mask": axes, "logits": {0: "batch"}},
            opset_version=_OPSET,
            dynamo=False,
        )


def verify_parity(model_dir: Path, vocabulary_size: int) -> float:
    """The largest gap between the logits of the two engines, as served from model_dir, over
    mixed lengths and batch sizes; ClassifierError when it is beyond the tolerance."""
    reference = load_engine("torch", model_dir, 1)
    exported = load_engine("onnxruntime", model_dir, 1)
    rng = np.random.default_rng(0)
    gap = 0.0
    for batch, length in _PARITY_SHAPES:
        input_ids = rng.integers(0, vocabulary_size, (batch, length), dtype=np.int64)
        lengths = rng.integers(1, length + 1, (batch, 1))
        attention_mask = (np.arange(length) < lengths).astype(np.int64)
        difference = exported.infer(input_ids, attention_mask) - reference.infer(
            input_ids, attention_mask
        )
        gap = max(gap, float(np.abs(difference).max()))
    if not gap <= _TOLERANCE:
        raise ClassifierError(
            f"expected the ONNX export to give PyTorch's logits within {_TOLERANCE:g}, found a "
            f"gap of {gap:.2g} in {model_dir}: this network cannot be compared across engines."
        )
    return gap
