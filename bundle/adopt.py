"""`python -m bundle.adopt CACHE MODEL...`: on the target, makes packed models found.

A model's folder is named by a digest of what made it, library versions among it. On a host with
another torch the name differs, and the same code would train the same model once more.
"""

import shutil
import sys
from pathlib import Path

from servers.classifier.build import model_digest
from servers.classifier.model_info import read_model_info
from servers.classifier.model_sources import resolve_model
from servers.classifier.model_specs import TrainingSpec


def adopt(model: Path, cache: Path) -> Path:
    """Copies a model made elsewhere by this code into cache, under the name that is looked for
    here. Its model.json keeps the digest of what made it."""
    info = read_model_info(model)
    digest = model_digest(resolve_model(info.name), info.seed, TrainingSpec())
    folder = cache / f"{info.name}-{digest}"
    if not folder.exists():
        unfinished = cache / f".unfinished-{folder.name}"
        shutil.rmtree(unfinished, ignore_errors=True)
        shutil.copytree(model, unfinished)
        unfinished.rename(folder)
    return folder


if __name__ == "__main__":
    cache, *models = map(Path, sys.argv[1:])
    for model in models:
        print(adopt(model, cache))
