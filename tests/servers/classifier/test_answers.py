"""Answers that are looked up: those of the traffic, and of what servers ask themselves."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from loadtests.launch import server
from servers.classifier import Encoder, decode, read_labels
from servers.classifier.answers import (
    NoAnswersError,
    ReferenceAnswers,
    UnknownTextError,
    keep_answers,
    read_answers,
)
from servers.contract import LENGTH_BUCKETS, MAX_LENGTH_TOKENS
from servers.fastapi_service import tuned
from servers.hybrid_gateway import app as gateway

CANARIES = (server.CANARY_TEXT, gateway.CANARY_TEXT)
TRAFFIC = [
    {"text": "where is my parcel?", "label": "delivery_status", "confidence": 0.875},
    {"text": "我要开发票", "label": "invoice", "confidence": 1.0},
]


@pytest.fixture
def model_dir(small_model_dir: Path, tmp_path: Path) -> Path:
    """The small model, in a cache of its own."""
    folder = tmp_path / "cache" / small_model_dir.name
    folder.mkdir(parents=True)
    for path in small_model_dir.iterdir():
        (folder / path.name).symlink_to(path)
    return folder


@pytest.fixture
def traffic(tmp_path: Path) -> Path:
    path = tmp_path / "traffic.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in TRAFFIC), encoding="utf-8")
    return path


@pytest.fixture
def answers(model_dir: Path, traffic: Path) -> ReferenceAnswers:
    keep_answers(model_dir, traffic)
    return read_answers(model_dir)


def logits_of(
    answers: ReferenceAnswers,
    model_dir: Path,
    texts: Sequence[str],
    max_length: int = MAX_LENGTH_TOKENS,
    buckets: Sequence[int] | None = LENGTH_BUCKETS,
) -> np.ndarray:
    encoded = Encoder(model_dir).encode(texts, max_length, buckets)
    return answers.of(encoded.input_ids, encoded.attention_mask)


@pytest.mark.parametrize("buckets", [None, (16, 32, 64, 128), (128,)])
def test_the_answer_to_a_text_is_its_reference_answer_whatever_the_padding(
    answers: ReferenceAnswers, model_dir: Path, buckets: Sequence[int] | None
) -> None:
    texts = [str(row["text"]) for row in TRAFFIC]
    found = decode(
        logits_of(answers, model_dir, [*texts, texts[0]], buckets=buckets), read_labels(model_dir)
    )
    assert [each.label for each in found] == ["delivery_status", "invoice", "delivery_status"]
    assert [each.confidence for each in found] == pytest.approx([0.875, 1.0, 0.875], abs=1e-6)


def test_what_the_study_and_its_servers_ask_themselves_has_an_answer(
    answers: ReferenceAnswers, model_dir: Path
) -> None:
    for text in CANARIES:
        assert logits_of(answers, model_dir, [text]).shape == (1, 10)
    for words in tuned._WARM_UP_WORDS:
        logits_of(answers, model_dir, ["warm " * words], buckets=None)
    for length in LENGTH_BUCKETS:  # as LitServe's worker warms up
        logits_of(answers, model_dir, ["warm " * length], length)


def test_a_row_without_a_token_has_an_answer(answers: ReferenceAnswers) -> None:
    zeros = np.zeros((2, 16), dtype=np.int64)
    assert not answers.of(zeros, zeros).any()


def test_another_text_is_an_error_in_one_sentence(
    answers: ReferenceAnswers, model_dir: Path
) -> None:
    with pytest.raises(UnknownTextError) as refused:
        logits_of(answers, model_dir, ["where is my parcel?", "something else"])
    assert str(refused.value) == (
        "expected a text of the traffic, whose answer a simulated device looks up, found another: "
        "send a text of the experiment, or choose an engine that computes."
    )


def test_the_answers_of_several_traffics_are_kept_side_by_side(
    answers: ReferenceAnswers, model_dir: Path, tmp_path: Path
) -> None:
    more = tmp_path / "more.jsonl"
    more.write_text(json.dumps({**TRAFFIC[0], "text": "something else"}) + "\n", encoding="utf-8")
    assert keep_answers(model_dir, more) == keep_answers(model_dir, more)
    both = read_answers(model_dir)
    assert logits_of(both, model_dir, ["where is my parcel?", "something else"]).shape == (2, 10)


def test_a_model_without_answers_says_how_to_keep_some(model_dir: Path) -> None:
    with pytest.raises(NoAnswersError, match="expected reference answers beside .*, found none"):
        read_answers(model_dir)
