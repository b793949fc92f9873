"""What --model means: a size of the study's own network, a folder, or a model of the hub."""

from dataclasses import dataclass
from pathlib import Path

from servers.classifier.errors import ClassifierError
from servers.classifier.model_config import is_classifier, labels_of, read_config
from servers.classifier.model_specs import BASE, SMALL, NetworkSpec

_BASE_HUB_IDS = ("bert-base-chinese", "google-bert/bert-base-chinese")
_WEIGHT_FILES = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin")
_TOKENIZER_FILES = ("tokenizer.json", "vocab.txt")
_HUB_PATTERNS = ["*.json", "*.safetensors", "pytorch_model.bin", "vocab.txt"]
_LFS_POINTER = b"version https://git-lfs"

SEEDED_NOTE = "weights are seeded, not trained: labels carry no meaning, speed does"


@dataclass(frozen=True)
class Trained:
    """The study's own network, trained on the generated corpus."""

    spec: NetworkSpec


@dataclass(frozen=True)
class Seeded:
    """An architecture whose weights come from the seed."""

    spec: NetworkSpec
    notes: tuple[str, ...] = (SEEDED_NOTE,)


@dataclass(frozen=True)
class Checkpoint:
    """A folder in the Hugging Face format."""

    name: str
    folder: Path

    @property
    def files(self) -> list[Path]:
        return sorted(path for path in self.folder.iterdir() if path.is_file())


ModelSource = Trained | Seeded | Checkpoint


def resolve_model(model: str) -> ModelSource:
    """ClassifierError when model is none of them, or a folder lacks a file."""
    if model == SMALL.name:
        return Trained(SMALL)
    if model == BASE.name:
        return Seeded(BASE)
    folder = Path(model)
    if folder.is_dir():
        return _complete(Checkpoint(folder.resolve().name, folder))
    if folder.exists():
        raise ClassifierError(
            f"expected --model {model} to be a folder with config.json, weights and tokenizer, "
            "found a file: give the folder that holds it."
        )
    return _from_hub(model)


def _from_hub(hub_id: str) -> ModelSource:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        # Alone at first: a model of an unsupported family is refused before its weights are taken.
        config_only = snapshot_download(hub_id, allow_patterns=["config.json"])
        if (Path(config_only) / "config.json").is_file():
            _require_supported(Path(config_only))
        folder = snapshot_download(hub_id, allow_patterns=_HUB_PATTERNS)
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError) as error:
        if hub_id in _BASE_HUB_IDS:
            reason = f"{hub_id} is unavailable from the hub, its architecture is used instead"
            return Seeded(BASE, (reason, SEEDED_NOTE))
        raise ClassifierError(
            f"expected --model to be small, base, a folder or a model of the Hugging Face hub, "
            f"found {hub_id!r}, which is no folder and is unavailable from the hub "
            f"({type(error).__name__}): check the name and the network, or give a local folder."
        ) from None
    return _complete(Checkpoint(hub_id, Path(folder)))


def _complete(checkpoint: Checkpoint) -> Checkpoint:
    for what, names in (
        ("a configuration", ("config.json",)),
        ("weights", _WEIGHT_FILES),
        ("a tokenizer", _TOKENIZER_FILES),
    ):
        found = [name for name in names if (checkpoint.folder / name).is_file()]
        if not found:
            raise ClassifierError(
                f"expected {what} ({' or '.join(names)}) in {checkpoint.folder}, found none: give "
                "a folder written by save_pretrained of both the model and its tokenizer."
            )
        _require_no_pointer(checkpoint.folder / found[0])  # transformers takes the first, too
    for shard in checkpoint.folder.glob("model-*-of-*.safetensors"):
        _require_no_pointer(shard)
    _require_supported(checkpoint.folder)
    return checkpoint


def _require_no_pointer(path: Path) -> None:
    with path.open("rb") as stream:
        if stream.read(len(_LFS_POINTER)) == _LFS_POINTER:
            raise ClassifierError(
                f"expected the content of {path.name} in {path.parent}, found the pointer that "
                "Git LFS puts in its place: run `git lfs pull` there."
            )


def _require_supported(folder: Path) -> None:
    config = read_config(folder)
    if is_classifier(config):
        labels_of(config, folder)
