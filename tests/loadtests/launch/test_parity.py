"""Parity: answers against reference answers."""

import pandas as pd

from loadtests.launch.parity import ParityComparison, judge, parity_texts, sampled_answers
from loadtests.wire.formats import Answer
from loadtests.wire.texts import TrafficText

REFUND = TrafficText(0, "money back", 4, "refund", 0.9)


def compared(label: str, confidence: float) -> ParityComparison:
    return ParityComparison(REFUND, Answer(label=label, confidence=confidence))


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
    assert [pair.answer.label for pair in sampled_answers(rows, {0: REFUND})] == ["refund"]


def test_a_service_that_tells_no_confidence_is_compared_by_label_and_the_gap_is_null() -> None:
    record = judge([ParityComparison(REFUND, Answer("refund"))], tolerance=0.001)
    assert (record.mismatches, record.max_confidence_gap, record.against) == (0, None, "reference")


def test_an_own_label_that_changes_is_a_mismatch_and_an_own_confidence_is_not_compared() -> None:
    record = judge([compared("refund", 0.2), compared("invoice", 0.9)], tolerance=None)
    assert (record.checked, record.mismatches, record.against) == (2, 1, "consistency")
    assert record.max_confidence_gap is None
    assert record.example == "text 0: refund before, invoice later, for the same text"


def test_an_answer_to_a_text_that_nothing_is_known_of_is_not_compared() -> None:
    rows = pd.DataFrame({"text_id": [0, 5], "label": ["a", "b"], "confidence": [0.5, 0.5]})
    assert len(sampled_answers(rows, {0: REFUND})) == 1


def test_a_tie_of_the_reference_may_fall_either_way_and_nothing_else_may() -> None:
    def mismatches(margin: float, confidence: float = 0.3) -> int:
        text = TrafficText(0, "money back", 4, "refund", 0.3, margin)
        other = ParityComparison(text, Answer(label="invoice", confidence=confidence))
        return judge([other], tolerance=0.001).mismatches

    assert mismatches(margin=0.002) == 0
    assert mismatches(margin=0.0021) == 1
    assert mismatches(margin=0.0, confidence=0.31) == 1
