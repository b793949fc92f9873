"""A labelled corpus of customer messages in English and Chinese, generated from a seed."""

import re
import tomllib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

DATA_DIR = Path(__file__).parent / "corpus_data"

# Parts of a message and how often they occur together. Customers mostly write one sentence; the
# tail of long messages is what makes padding, buckets and truncation matter.
_SHAPES: dict[tuple[str, ...], int] = {
    ("request",): 36,
    ("greeting", "request"): 22,
    ("request", "closing"): 10,
    ("request", "detail"): 10,
    ("context", "request"): 8,
    ("greeting", "context", "request", "closing"): 7,
    ("greeting", "context", "context", "request", "detail", "closing"): 4,
    ("greeting", "context", "context", "context", "request", "detail", "detail", "closing"): 3,
}
_CASUAL_SHARE = 0.35  # messages typed without capitals and without a final full stop


@dataclass(frozen=True)
class Message:
    text: str
    label: str


@dataclass(frozen=True)
class Corpus:
    """No text of heldout occurs in training."""

    training: tuple[Message, ...]
    heldout: tuple[Message, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(sorted({message.label for message in self.training}))


def build_corpus(seed: int, n_training: int, n_heldout: int) -> Corpus:
    messages = list(islice(distinct_messages(Random(seed)), n_training + n_heldout))
    return Corpus(tuple(messages[:n_training]), tuple(messages[n_training:]))


def distinct_messages(rng: Random, exclude: Collection[str] = ()) -> Iterator[Message]:
    """Endless messages, none twice and none whose text is in exclude; languages and intents are
    drawn evenly, lengths are skewed as in _SHAPES."""
    languages = [_read_language(path) for path in sorted(DATA_DIR.glob("*.toml"))]
    seen = set(exclude)
    while True:
        message = _message(rng, rng.choice(languages))
        if message.text not in seen:
            seen.add(message.text)
            yield message


def _read_language(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"))


def _message(rng: Random, language: dict[str, Any]) -> Message:
    label = rng.choice(sorted(language["intents"]))
    (shape,) = rng.choices(list(_SHAPES), weights=list(_SHAPES.values()))
    choices = {**language, "request": language["intents"][label]}
    sentences = [
        _sentence(_expand(rng, rng.choice(choices[part]), language), language["full_stop"])
        for part in shape
    ]
    text = language["joiner"].join(sentences)
    if rng.random() < _CASUAL_SHARE:
        text = text.lower().rstrip(".。")
    return Message(text, label)


def _expand(rng: Random, template: str, language: dict[str, Any]) -> str:
    words = re.sub(r"\{(\w+)\}", lambda slot: str(rng.choice(language[slot[1]])), template)
    return re.sub("§", lambda _: str(rng.randrange(10)), words)


def _sentence(words: str, full_stop: str) -> str:
    return words[0].upper() + words[1:] + ("" if words[-1] in "?？" else full_stop)
