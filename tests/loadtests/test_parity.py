"""Parity: answers against reference answers."""

import pandas as pd

from loadtests.parity import Compared, judge, parity_texts, sampled_answers
from loadtests.traffic import TrafficText
from servers.contract import BatchItem

REFUND = TrafficText(0, "money back", 4, "refund", 0.9)


def compared(label: str, confidence: float) -> Compared:
    return Compared(REFUND, BatchItem(label=label, confidence=confidence))


def test_equal_answers_are_no_mismatch() -> None:
    record = judge([compared("refund", 0.9004)], tolerance=0.001)
    assert (record.checked, record.mismatches, record.example) == (1, 0, None)


def test_another_label_is_a_mismatch_with_an_example() -> None:
    record = judge([compared("refund", 0.9), compared("invoice", 0.9)], tolerance=0.001)
    assert record.mismatches == 1
    assert record.example == "text 0: expected refund 0.9000, found invoice 0.9000"


def test_a_confidence_beyond_the_tolerance_is_a_mismatch() -> None:
    record = judge([compared("refund", 0.89)], tolerance=0.001)
    assert record.mismatches == 1
    assert abs(record.max_confidence_gap - 0.01) < 1e-9


def test_every_length_bucket_is_asked() -> None:
    texts = [TrafficText(n, "x", n, "refund", 0.9) for n in (5, 6, 20, 40, 100, 120)]
    assert {text.n_tokens for text in parity_texts(texts)} == {5, 6, 20, 40, 100, 120}


def test_only_sampled_rows_are_compared() -> None:
    rows = pd.DataFrame(
        {"text_id": [0, 0], "label": ["refund", None], "confidence": [0.9, float("nan")]}
    )
    assert [pair.answer.label for pair in sampled_answers(rows, [REFUND])] == ["refund"]
