"""model.json: what the artefacts of a folder are."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from servers.classifier.errors import ClassifierError


@dataclass(frozen=True)
class ModelInfo:
    """accuracy is the share of held-out messages labelled correctly, None when the weights were
    not trained here; notes are for every report to repeat."""

    digest: str
    name: str
    weights: Literal["trained", "loaded", "seeded"]
    notes: tuple[str, ...]
    accuracy: float | None
    seed: int


def read_model_info(model_dir: Path) -> ModelInfo:
    """ClassifierError when model_dir was not made by the build command."""
    try:
        raw = json.loads((model_dir / "model.json").read_text(encoding="utf-8"))
    except OSError:
        raise ClassifierError(
            f"expected model.json in {model_dir}, found none: give the model_dir that "
            "`python -m servers.classifier build` prints."
        ) from None
    return ModelInfo(**{**raw, "notes": tuple(raw["notes"])})


def write_model_info(model_dir: Path, info: ModelInfo) -> None:
    text = json.dumps(asdict(info), indent=2, ensure_ascii=False)
    (model_dir / "model.json").write_text(text + "\n", encoding="utf-8")
