"""What the config.json of a checkpoint must say, checked before anything is loaded."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from servers.classifier.errors import ClassifierError

FAMILIES = (
    *("albert", "bert", "big_bird", "deberta", "deberta-v2", "distilbert", "electra", "ernie"),
    *("gpt2", "mobilebert", "modernbert", "roberta", "roformer", "xlm-roberta"),
)
"""Of model_type: each is built, exported and asked by a test."""

_POSITIONS_FOLLOW_PADDING = ("roberta", "xlm-roberta")
_DEFAULT_LABELS = 2
_OTHER_HEADS = ("regression", "multi_label_classification")

Config = Mapping[str, Any]


def read_config(folder: Path) -> Config:
    """ClassifierError when config.json is no JSON object or names an unsupported family."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except ValueError as error:
        raise ClassifierError(
            f"expected a text classifier in {folder}, found a config.json that is no JSON "
            f"({error}): check its files."
        ) from None
    family = config.get("model_type") if isinstance(config, dict) else None
    if family not in FAMILIES:
        raise ClassifierError(
            f"expected a text classifier whose config.json has one of the supported model_types "
            f"in {folder}, found {_shown(family)}: use a model of {', '.join(FAMILIES)}."
        )
    return dict(config)


def is_classifier(config: Config) -> bool:
    return any("SequenceClassification" in str(name) for name in config.get("architectures") or ())


def labels_of(config: Config, folder: Path) -> tuple[str, ...]:
    """The labels in the order of the logits; transformers leaves them out where they have their
    default names. ClassifierError when they are not what one softmax chooses from."""
    if config.get("problem_type") in _OTHER_HEADS:
        raise ClassifierError(
            f"expected a classifier that gives each text one of its labels in {folder}, found "
            f"problem_type {config['problem_type']!r}: use a model trained for single labels."
        )
    labels = _named(config, folder)
    if len(labels) < 2:
        raise ClassifierError(
            f"expected a classifier with at least two labels in {folder}, found {len(labels)}: "
            "a head of one logit chooses nothing; use a model with a logit for each label."
        )
    return labels


def _named(config: Config, folder: Path) -> tuple[str, ...]:
    named = config.get("id2label")
    if named is None:
        number = config.get("num_labels", _DEFAULT_LABELS)
        if type(number) is not int:
            raise _wrong_labels(folder, f"num_labels {_shown(number)}")
        return tuple(f"LABEL_{index}" for index in range(number))
    if isinstance(named, list):
        return tuple(_label(label, folder) for label in named)
    indices = [str(index) for index in range(len(named))] if isinstance(named, dict) else []
    if not isinstance(named, dict) or set(named) != set(indices):
        raise _wrong_labels(folder, _shown(named))
    return tuple(_label(named[index], folder) for index in indices)


def _label(label: object, folder: Path) -> str:
    if type(label) is int:
        return str(label)
    if isinstance(label, str) and label.strip() and _is_unicode(label):
        return label
    raise _wrong_labels(folder, f"the label {_shown(label)}")


def _is_unicode(text: str) -> bool:
    """False with half of a surrogate pair in it, which JSON can spell and no answer can carry."""
    return not any("\ud800" <= char <= "\udfff" for char in text)


def _wrong_labels(folder: Path, found: str) -> ClassifierError:
    return ClassifierError(
        f"expected id2label in the config.json of {folder} to name the labels 0, 1, 2 and so on "
        f"in words or numbers, found {found}: correct id2label."
    )


def _shown(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def usable_tokens(family: str, positions: int, padding_id: int | None) -> int:
    """The longest text in tokens that a network with this many positions takes: RoBERTa counts
    them from the one behind its padding token's."""
    if family in _POSITIONS_FOLLOW_PADDING:
        return positions - (padding_id or 0) - 1
    return positions
