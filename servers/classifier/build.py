"""Builds the artefacts that every contender loads: checkpoint, tokenizer, ONNX, model.json."""

import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

from servers.classifier.artefacts import (
    cached_folder,
    digest_of,
    digest_of_files,
    versions_of,
)
from servers.classifier.corpus import DATA_DIR
from servers.classifier.model_info import write_model_info
from servers.classifier.model_sources import (
    Checkpoint,
    ModelSource,
    Seeded,
    Trained,
    resolve_model,
)
from servers.classifier.model_specs import TrainingSpec
from servers.classifier.progress import say

_MADE_BY = ("corpus", "vocabulary", "model_specs", "training", "export", "making", "encoding")
_LOADED_BY = ("loading", "model_config")


def build_model(model: str, cache: Path, seed: int) -> Path:
    """The folder of model's artefacts under cache, made when it is not there yet.

    ClassifierError when model is unavailable, cannot be learned or cannot be exported.
    """
    source = resolve_model(model)
    training = TrainingSpec()
    digest = model_digest(source, seed, training)

    def make(folder: Path) -> None:
        from servers.classifier.making import make_artefacts  # PyTorch: only when needed

        say(f"building the {name} classifier in {folder.parent}")
        write_model_info(folder, make_artefacts(source, folder, seed, training, digest))

    name = source.name if isinstance(source, Checkpoint) else source.spec.name
    return cached_folder(cache, f"{re.sub(r'[^A-Za-z0-9.-]+', '-', name)}-{digest}", make)


def model_digest(source: ModelSource, seed: int, training: TrainingSpec) -> str:
    """Changes with anything that may change the artefacts."""
    here = Path(__file__).parent
    made_by = _MADE_BY + (_LOADED_BY if isinstance(source, Checkpoint) else ())
    code = [*(here / f"{module}.py" for module in made_by), *sorted(DATA_DIR.glob("*.toml"))]
    ingredients: dict[str, Any] = {
        "source": type(source).__name__,
        "seed": seed,
        "code": digest_of_files(code),
        "versions": versions_of("torch", "transformers", "onnx", "tokenizers"),
    }
    if isinstance(source, Checkpoint):
        ingredients |= {"name": source.name, "files": digest_of_files(source.files)}
    else:
        ingredients["network"] = asdict(source.spec)
    if isinstance(source, Seeded):
        ingredients["notes"] = source.notes
    if isinstance(source, Trained):
        ingredients["training"] = asdict(training)
    return digest_of(ingredients)
