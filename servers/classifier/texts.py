"""The texts of a load: generated, or read from a user's file."""

import json
from itertools import islice
from pathlib import Path
from random import Random

from servers.classifier.corpus import build_corpus, distinct_messages
from servers.classifier.errors import ClassifierError
from servers.classifier.model_specs import TrainingSpec
from servers.contract import MAX_TEXT_CHARS

N_GENERATED_TEXTS = 2000


def generated_texts(
    seed: int, model_seed: int, n_texts: int = N_GENERATED_TEXTS
) -> tuple[str, ...]:
    """Messages that the classifier trained from model_seed has not seen."""
    training = TrainingSpec()
    corpus = build_corpus(model_seed, training.n_training, training.n_heldout)
    seen = {message.text for message in corpus.training}
    fresh = distinct_messages(Random(f"traffic {seed}"), exclude=seen)
    return tuple(message.text for message in islice(fresh, n_texts))


def read_texts(path: Path) -> tuple[str, ...]:
    """The texts of a file in its order, repeats kept: one a line (blank lines are skipped), or
    for *.jsonl one object with "text" a line. ClassifierError names the line that is wrong."""
    try:
        lines = path.read_bytes().decode("utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise ClassifierError(
            f"expected UTF-8 in {path}, found byte 0x{error.object[error.start]:02x} on line "
            f"{error.object[: error.start].count(10) + 1}: save the file as UTF-8."
        ) from None
    except OSError as error:
        raise ClassifierError(
            f"expected a file of texts at {path}, could not read it ({error.strerror}): check "
            "the path."
        ) from None
    read = _jsonl_text if path.suffix == ".jsonl" else _plain_text
    texts = tuple(
        read(line, f"{path} line {number}")
        for number, line in enumerate(lines, start=1)
        if line.strip()
    )
    if not texts:
        raise ClassifierError(f"expected at least one text in {path}, found none: add one a line.")
    return texts


def _jsonl_text(line: str, where: str) -> str:
    try:
        value = json.loads(line)
    except json.JSONDecodeError as error:
        raise ClassifierError(
            f'expected a JSON object with "text" at {where}, found no JSON ({error.msg}): give '
            "one object a line, or name a file of plain texts other than *.jsonl."
        ) from None
    text = value.get("text") if isinstance(value, dict) else None
    if not isinstance(text, str):
        raise ClassifierError(
            f'expected a JSON object whose "text" is a string at {where}, found none: add it.'
        )
    if not text.strip():
        raise ClassifierError(
            f'expected a "text" with words at {where}, found a blank one: remove the line.'
        )
    return _plain_text(text, where)


def _plain_text(line: str, where: str) -> str:
    text = line.strip()
    if len(text) > MAX_TEXT_CHARS:
        raise ClassifierError(
            f"expected at most {MAX_TEXT_CHARS} characters at {where}, found {len(text)}: "
            "shorten the text."
        )
    return text
