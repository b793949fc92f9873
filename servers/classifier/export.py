"""The checkpoint as one ONNX file."""

import warnings
from pathlib import Path

import torch
from transformers import PreTrainedModel

_OPSET = 17
# Why this exporter: see export_onnx. That its trace holds for any shape: see require_parity.
_ANSWERED_WARNINGS = (
    "You are using the legacy TorchScript-based ONNX export",
    "The feature will be removed",
    "Exporting aten::index operator",
    "Constant folding - Only steps=1",
    "To copy construct from a tensor",
)


class Logits(torch.nn.Module):
    """The network as it is exported and compiled: two tensors in, one out."""

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
            Logits(network),
            (example, example),
            path,
            input_names=["input_ids", "attention_mask"],
            output_names=["logits"],
            dynamic_axes={"input_ids": axes, "attention_mask": axes, "logits": {0: "batch"}},
            opset_version=_OPSET,
            dynamo=False,
        )
