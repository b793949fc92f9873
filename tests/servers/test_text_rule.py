import pytest
from pydantic import ValidationError

from servers.contract import MAX_BATCH_TEXTS, MAX_BODY_BYTES, BatchPredictRequest, PredictRequest
from servers.text_rule import MAX_TEXT_CHARS, TextError, checked_text


@pytest.mark.parametrize(
    "nothing", ["", " \n", "\x1f", "\x00", "\x1c\x1d", "\ufeff", "\u200b\u200d", "\ufe0f", "\ud800"]
)
def test_what_cannot_be_seen_is_no_text(nothing: str) -> None:
    with pytest.raises(TextError, match="^expected a text, found"):
        checked_text(nothing)


@pytest.mark.parametrize("text", ["a", "好", "?", "😡", "\ue000", "x\x1fy", "\ufeffx", "ก\u0e31"])
def test_one_character_that_can_be_seen_makes_a_text(text: str) -> None:
    assert checked_text(f" {text}\x1f\n") == text


def test_blanks_around_a_text_do_not_count_as_its_characters() -> None:
    assert checked_text("\n" + "x" * MAX_TEXT_CHARS + " " * 9) == "x" * MAX_TEXT_CHARS
    with pytest.raises(TextError, match="at most 2000 characters, found 2001"):
        checked_text("x" * (MAX_TEXT_CHARS + 1))


def test_the_wire_contract_refuses_what_is_no_text_in_the_same_words() -> None:
    with pytest.raises(ValidationError) as refused:
        PredictRequest(text="\x1f")
    with pytest.raises(TextError) as expected:
        checked_text("\x1f")
    assert refused.value.errors()[0]["msg"] == str(expected.value)


def test_the_largest_valid_batch_fits_into_the_largest_body() -> None:
    text = "\\ud83d\\ude21" * MAX_TEXT_CHARS  # as JSON writes it in ASCII
    body = '{"texts": [' + ",".join([f'"{text}"'] * MAX_BATCH_TEXTS) + "]}"
    assert len(BatchPredictRequest.model_validate_json(body).texts) == MAX_BATCH_TEXTS
    assert len(body) <= MAX_BODY_BYTES
