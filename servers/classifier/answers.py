"""The reference answers of a traffic by token ids: for an engine that computes nothing."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from servers.classifier.artefacts import cached_folder, digest_of, digest_of_files
from servers.classifier.encoding import Encoder, read_labels
from servers.classifier.model_info import read_model_info
from servers.contract import LENGTH_BUCKETS, MAX_LENGTH_TOKENS
from servers.surroundings import writable_cache

FILE_NAME = "answers.npz"

OWN_TEXTS = ("canary", "Where is my order?")
"""What the study and its servers ask to see that an answer comes."""

WARM_UP_WORD, WARM_UP_WORDS = "warm ", (1, 10, 30, 60, 120, *LENGTH_BUCKETS)
"""What servers ask before they are ready: so many times this word."""

_LEAST_PROBABILITY = 1e-30
_Ids = NDArray[np.int64]
_Logits = NDArray[np.float32]


class UnknownTextError(ValueError):
    """A text whose reference answer is not known; the message is one sentence."""


class NoAnswersError(ValueError):
    """A model beside which no reference answers are kept; the message is one sentence."""


class ReferenceAnswers:
    """Logits by the ids of a text, padding left out; safe to share between threads."""

    def __init__(self, rows: Sequence[tuple[_Ids, _Logits]], n_labels: int) -> None:
        self._logits = {ids.astype(np.int64).tobytes(): logits for ids, logits in rows}
        # A row without a token, as Triton warms a model up with.
        self._logits.setdefault(b"", _no_answer(n_labels))

    def of(self, input_ids: _Ids, attention_mask: _Ids) -> _Logits:
        """logits float32[batch, labels]; UnknownTextError where a row is none of the texts."""
        lengths = attention_mask.sum(axis=1).tolist()
        try:
            return np.stack(
                [
                    self._logits[ids[:length].tobytes()]
                    for ids, length in zip(input_ids, lengths, strict=True)
                ]
            )
        except KeyError:
            raise UnknownTextError(
                "expected a text of the traffic, whose answer a simulated device looks up, found "
                "another: send a text of the experiment, or choose an engine that computes."
            ) from None


def keep_answers(model_dir: Path, traffic: Path) -> Path:
    """Writes the answers of a traffic.jsonl into a folder beside the model, where an engine finds
    them, unless they are there."""
    model_dir = model_dir.resolve()
    digest = digest_of(
        {
            "model": read_model_info(model_dir).digest,
            "files": digest_of_files([traffic, Path(__file__)]),
        }
    )

    def make(folder: Path) -> None:
        rows = [*_own_rows(model_dir), *_traffic_rows(model_dir, traffic)]
        ids, logits = zip(*rows, strict=True)
        np.savez(
            folder / FILE_NAME,
            ids=np.concatenate(ids),
            lengths=np.array([len(each) for each in ids]),
            logits=np.stack(logits),
        )

    return cached_folder(model_dir.parent, f"{_prefix(model_dir)}{digest}", make)


def read_answers(model_dir: Path) -> ReferenceAnswers:
    """All that are kept beside the model; NoAnswersError where there are none."""
    model_dir = model_dir.resolve()
    places = dict.fromkeys((model_dir.parent, writable_cache(model_dir.parent)))
    kept = [path for place in places for path in place.glob(f"{_prefix(model_dir)}*/{FILE_NAME}")]
    if not kept:
        raise NoAnswersError(
            f"expected reference answers beside {model_dir}, found none: run an experiment, or "
            "`python -m servers.classifier answers`, which keeps them there."
        )
    return ReferenceAnswers(
        [row for path in kept for row in _stored_rows(path)], len(read_labels(model_dir))
    )


def _prefix(model_dir: Path) -> str:
    return f"{model_dir.name}-answers-"


def _stored_rows(path: Path) -> list[tuple[_Ids, _Logits]]:
    with np.load(path, allow_pickle=False) as stored:
        ids = np.split(stored["ids"], np.cumsum(stored["lengths"])[:-1])
        return list(zip(ids, stored["logits"], strict=True))


def _traffic_rows(model_dir: Path, traffic: Path) -> Iterator[tuple[_Ids, _Logits]]:
    encoder, labels = Encoder(model_dir), read_labels(model_dir)
    for line in traffic.read_text(encoding="utf-8").splitlines():
        text = json.loads(line)
        ids = encoder.encode([text["text"]], MAX_LENGTH_TOKENS).input_ids[0]
        yield ids, _logits(labels.index(text["label"]), text["confidence"], len(labels))


def _own_rows(model_dir: Path) -> Iterator[tuple[_Ids, _Logits]]:
    """They have no reference answer, and nobody compares theirs: every label is as likely."""
    encoder, no_answer = Encoder(model_dir), _no_answer(len(read_labels(model_dir)))
    texts = [*OWN_TEXTS, *(WARM_UP_WORD * words for words in WARM_UP_WORDS)]
    for text in texts:
        for max_length in LENGTH_BUCKETS:
            yield encoder.encode([text], max_length).input_ids[0], no_answer


def _logits(best: int, confidence: float, n_labels: int) -> _Logits:
    """Those whose softmax gives the label that confidence; the others share what is left."""
    left = (1 - confidence) / max(1, n_labels - 1)
    probabilities = np.full(n_labels, max(left, _LEAST_PROBABILITY))
    probabilities[best] = max(confidence, _LEAST_PROBABILITY)
    logits: _Logits = np.log(probabilities).astype(np.float32)
    return logits


def _no_answer(n_labels: int) -> _Logits:
    return np.zeros(n_labels, dtype=np.float32)
