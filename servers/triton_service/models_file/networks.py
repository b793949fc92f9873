"""Writes the generated networks as ONNX: their weights come from a seed, and mean nothing."""

import warnings
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from servers.classifier.export import export_onnx
from servers.classifier.model_specs import NetworkSpec
from servers.classifier.training import seeded_network as seeded_bert
from servers.triton_service.colocated.networks import N_CATEGORIES, N_DENSE, seeded_network
from servers.triton_service.models_file.description import Generator
from servers.triton_service.models_file.sizes import BertSize, DeepFmSize, ResNetSize

OPSET = 17


def write_network(generator: Generator, path: Path) -> None:
    """The network as one ONNX file with a free batch dimension; the same seed, the same weights."""
    size, seed = generator.size, generator.seed
    if isinstance(size, BertSize):
        _write_bert(size, seed, path)
    elif isinstance(size, ResNetSize):
        image = torch.zeros((2, 3, size.image_px, size.image_px), dtype=torch.uint8)
        _write("vision", size, seed, {"image": image}, "logits", path)
    else:
        fields = {
            "categories": torch.zeros((2, N_CATEGORIES), dtype=torch.int64),
            "dense": torch.ones((2, N_DENSE)),
        }
        _write("recommender", size, seed, fields, "probability", path)


def _write_bert(size: BertSize, seed: int, path: Path) -> None:
    spec = NetworkSpec(
        "seeded",
        size.layers,
        size.width,
        size.heads,
        size.intermediate,
        size.max_positions,
        dropout=0.0,
    )
    labels = [f"label {number}" for number in range(size.labels)]
    network = seeded_bert(spec, size.vocabulary_size, labels, seed)
    network.set_attn_implementation("eager")
    export_onnx(network, path)


def _write(
    name: str,
    size: ResNetSize | DeepFmSize,
    seed: int,
    example: Mapping[str, Tensor],
    output: str,
    path: Path,
) -> None:
    with warnings.catch_warnings(), torch.inference_mode():
        # That this exporter is the older one: see servers.classifier.export.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            seeded_network(name, size.model_dump(), seed),
            tuple(example.values()),
            path,
            input_names=list(example),
            output_names=[output],
            dynamic_axes={tensor: {0: "batch"} for tensor in (*example, output)},
            opset_version=OPSET,
            dynamo=False,
        )
