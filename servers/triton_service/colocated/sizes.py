"""The co-located models at their two sizes: those beside the classifier in the models files."""

from collections.abc import Mapping
from typing import Any, Literal

from servers.triton_service.models_file.description import ModelEntry
from servers.triton_service.models_file.reading import SHIPPED, read_models_file

SizeName = Literal["full", "small"]
NAMES = ("vision", "recommender")

_FILES: Mapping[SizeName, str] = {"full": "trio.toml", "small": "trio-small.toml"}


def colocated_models(size: SizeName) -> tuple[ModelEntry, ...]:
    """Vision model and recommender of that size."""
    described = {model.name: model for model in read_models_file(SHIPPED / _FILES[size]).models}
    return tuple(described[name] for name in NAMES)


def network_of(model: ModelEntry) -> tuple[Mapping[str, Any], int]:
    """The arguments of a model's network, and the seed of its weights."""
    generator = model.versions[0].generator
    assert generator is not None  # in both files
    return generator.size.model_dump(), generator.seed
