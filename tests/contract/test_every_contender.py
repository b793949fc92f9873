"""What every contender with a model promises, whatever its protocol."""

from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from servers.contract import LENGTH_BUCKETS, MAX_TEXT_CHARS, bucket_length
from servers.discovery import Contender

CONFIDENCE_TOLERANCE = 1e-3
TEXTS_PER_BUCKET = 2


def applies_to(contender: Contender) -> bool:
    return contender.engine != "none"


@pytest.fixture(scope="module")
def sample(traffic: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A few texts of every length bucket."""
    by_bucket = defaultdict(list)
    for text in traffic:
        by_bucket[bucket_length(text["n_tokens"])].append(text)
    assert sorted(by_bucket) == list(LENGTH_BUCKETS)
    return [text for texts in by_bucket.values() for text in texts[:TEXTS_PER_BUCKET]]


def test_label_and_confidence_are_the_reference_answers(
    server: Any, sample: list[dict[str, Any]]
) -> None:
    client = server.client()
    for text in sample:
        answer = client.classify(text["text"])
        assert answer.label == text["label"], text
        assert answer.confidence == pytest.approx(text["confidence"], abs=CONFIDENCE_TOLERANCE)


@pytest.mark.parametrize(
    "text",
    ["我的快递到哪里了", "Where is my parcel?", "太慢了😡 please help 🙏", "a", "\n\tpad  "]
    + ["\ufeffhello", "a\x00b", "\U0001faea", "é\x1f"],
)
def test_any_language_is_answered(server: Any, text: str) -> None:
    answer = server.client().classify(text)
    assert answer.label
    assert 0 < answer.confidence <= 1


def test_the_longest_allowed_text_is_answered(server: Any) -> None:
    assert server.client().classify("好" * MAX_TEXT_CHARS).label


@pytest.mark.parametrize(
    "text",
    ["", " \n\t ", "好" * (MAX_TEXT_CHARS + 1), "\x1f", "\x1c \x1d", "\x00", "\x85", "\x7f\x1b"]
    + ["\ufeff", "\u200b", "\u2060\u200d", "\ufe0f", "\u3000\u2028", "\xad"],
    ids=ascii,
)
def test_a_blank_or_too_long_text_is_refused_with_a_reason(server: Any, text: str) -> None:
    with pytest.raises(Exception, match="character|text") as refusal:
        server.client().classify(text)
    assert type(refusal.value).__name__ == "RefusedError"


def test_concurrent_callers_get_the_answers_of_a_lone_one(
    server: Any, sample: list[dict[str, Any]]
) -> None:
    alone = {text["text"]: server.client().classify(text["text"]) for text in sample}

    def classify_all(first: int) -> dict[str, Any]:
        client = server.client()
        # Each caller starts elsewhere, so that different texts meet in one batch.
        texts = [text["text"] for text in sample[first:] + sample[:first]]
        return {text: client.classify(text) for text in texts}

    with ThreadPoolExecutor(4) as callers:
        for answers in callers.map(classify_all, range(0, len(sample), len(sample) // 4)):
            for text, answer in answers.items():
                assert answer.label == alone[text].label
                assert answer.confidence == pytest.approx(
                    alone[text].confidence, abs=CONFIDENCE_TOLERANCE
                )


def test_64_concurrent_requests_are_all_answered_and_counted(
    server: Any, sample: list[dict[str, Any]]
) -> None:
    texts = [sample[index % len(sample)] for index in range(64)]
    clients = [server.client() for _ in texts]
    before = server.answered()
    with ThreadPoolExecutor(64) as callers:
        answers = list(callers.map(lambda c, t: c.classify(t["text"]), clients, texts))
    assert [answer.label for answer in answers] == [text["label"] for text in texts]
    assert server.has_counted(64, before)
