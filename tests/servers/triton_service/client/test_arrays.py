"""What is refused before it is sent, in which words; and what is made of an answer."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from servers.triton_service.client.arrays import (
    canary_inputs,
    checked_inputs,
    checked_outputs,
    wanted_outputs,
)
from servers.triton_service.client.errors import AnswerError, UsageError
from servers.triton_service.client.spec import ModelSpec, TensorSpec

IDS = TensorSpec("ids", "INT64", (-1, 4))
MASK = TensorSpec("mask", "INT64", (-1, -1), optional=True)
TEXT = TensorSpec("TEXT", "BYTES", (-1, 1))
LOGITS = TensorSpec("logits", "FP32", (-1, 10))
SCORE = TensorSpec("score", "FP32", (-1, 1))
BATCHED = ModelSpec("bert", ("1",), 8, inputs=(IDS, MASK), outputs=(LOGITS, SCORE))
SINGLE = ModelSpec("one", ("1",), 0, inputs=(replace(IDS, shape=(4,)),), outputs=())
WORDS = ModelSpec("words", ("1",), 8, inputs=(TEXT,), outputs=())


def ids(*shape: int, dtype: Any = np.int64) -> Any:
    return np.ones(shape, dtype)


WRONG: dict[str, tuple[ModelSpec, dict[str, Any], str]] = {
    "no input": (
        BATCHED,
        {},
        "model 'bert': expected the inputs ids, mask, found none: add ids.",
    ),
    "another name": (
        BATCHED,
        {"input_ids": ids(1, 4)},
        "model 'bert': expected the inputs ids, mask, found input_ids: add ids and leave out "
        "input_ids.",
    ),
    "a list": (
        BATCHED,
        {"ids": [[1, 2, 3, 4]]},
        "model 'bert', input 'ids': expected a numpy array, found list: convert it.",
    ),
    "another type": (
        BATCHED,
        {"ids": ids(1, 4, dtype=np.float32)},
        "model 'bert', input 'ids': expected INT64, found FP32: convert it, as in "
        'array.astype("int64").',
    ),
    "another byte order": (
        BATCHED,
        {"ids": ids(1, 4, dtype=">i8")},
        "model 'bert', input 'ids': expected INT64, found >i8: convert it, as in "
        'array.astype("int64").',
    ),
    "no batch dimension": (
        BATCHED,
        {"ids": ids(4)},
        "model 'bert', input 'ids': expected the shape [1 to 8, 4], found [4]: put the batch "
        "dimension first, as in array[numpy.newaxis].",
    ),
    "too many rows": (
        BATCHED,
        {"ids": ids(9, 4)},
        "model 'bert', input 'ids': expected the shape [1 to 8, 4], found [9, 4]: send at most 8 "
        "rows in a request.",
    ),
    "no rows": (
        BATCHED,
        {"ids": ids(0, 4)},
        "model 'bert', input 'ids': expected the shape [1 to 8, 4], found [0, 4]: correct it.",
    ),
    "another size": (
        BATCHED,
        {"ids": ids(1, 5)},
        "model 'bert', input 'ids': expected the shape [1 to 8, 4], found [1, 5]: correct it.",
    ),
    "no dimensions": (
        BATCHED,
        {"ids": ids()},
        "model 'bert', input 'ids': expected the shape [1 to 8, 4], found []: correct it.",
    ),
    "a batch where there is none": (
        SINGLE,
        {"ids": ids(1, 4)},
        "model 'one', input 'ids': expected the shape [4], found [1, 4]: leave out the batch "
        "dimension, this model has none.",
    ),
    "two batch sizes": (
        BATCHED,
        {"ids": ids(2, 4), "mask": ids(3, 1)},
        "model 'bert': expected as many rows of each input, found 2 of ids, 3 of mask: give all "
        "inputs one batch size.",
    ),
    "numbers for text": (
        WORDS,
        {"TEXT": ids(1, 1)},
        "model 'words', input 'TEXT': expected BYTES (an array of str or bytes), found int in it: "
        "encode it.",
    ),
    "nothing for text": (
        WORDS,
        {"TEXT": np.array([[None]])},
        "model 'words', input 'TEXT': expected BYTES (an array of str or bytes), found NoneType in "
        "it: encode it.",
    ),
    "half a character": (
        WORDS,
        {"TEXT": np.array([["\ud800"]])},
        "model 'words', input 'TEXT': expected text, found half of a surrogate pair in it: correct "
        "the text.",
    ),
}


@pytest.mark.parametrize(("spec", "given", "sentence"), WRONG.values(), ids=WRONG.keys())
def test_what_does_not_fit_is_refused_in_one_sentence(
    spec: ModelSpec, given: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(UsageError) as refused:
        checked_inputs(spec, given)
    assert str(refused.value) == sentence


def test_what_fits_is_sent_as_it_is() -> None:
    given = {"ids": ids(8, 4), "mask": ids(8, 7)}
    found = checked_inputs(BATCHED, given)
    assert {name: array is given[name] for name, array in found.items()} == {
        "ids": True,
        "mask": True,
    }


def test_an_optional_input_may_be_left_out() -> None:
    assert list(checked_inputs(BATCHED, {"ids": ids(1, 4)})) == ["ids"]


@pytest.mark.parametrize(
    "texts",
    [
        np.array([["ä"], ["b"]]),
        np.array([["ä"], ["b"]], object),
        np.array([["ä".encode()], [b"b"]]),
    ],
    ids=["str", "objects", "bytes"],
)
def test_text_is_sent_as_utf8(texts: Any) -> None:
    found = checked_inputs(WORDS, {"TEXT": texts})["TEXT"]
    assert (found.dtype, found.tolist()) == (np.object_, [["ä".encode()], [b"b"]])


def test_all_outputs_are_wanted_unless_some_are_named() -> None:
    assert wanted_outputs(BATCHED, ()) == (LOGITS, SCORE)
    assert wanted_outputs(BATCHED, ["score"]) == (SCORE,)


def test_an_unknown_output_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(UsageError) as refused:
        wanted_outputs(BATCHED, ["score", "logit"])
    assert str(refused.value) == (
        "model 'bert': expected outputs among logits, score, found logit: correct the name."
    )


ANSWERS: dict[str, tuple[Any, str]] = {
    "none": (None, "expected it in the answer, found none: correct the model."),
    "another type": (
        np.zeros((2, 10)),
        "expected FP32 [2, 10], found FP64 [2, 10]: correct the model or its configuration.",
    ),
    "another batch": (
        np.zeros((1, 10), np.float32),
        "expected FP32 [2, 10], found FP32 [1, 10]: correct the model or its configuration.",
    ),
}


@pytest.mark.parametrize(("array", "sentence"), ANSWERS.values(), ids=ANSWERS.keys())
def test_an_answer_that_is_not_as_described_is_no_answer(array: Any, sentence: str) -> None:
    with pytest.raises(AnswerError) as refused:
        checked_outputs(BATCHED, [LOGITS], {"logits": array}, rows=2)
    assert str(refused.value) == f"model 'bert', output 'logits': {sentence}"


def test_an_answer_as_described_is_given_by_name() -> None:
    logits = np.zeros((2, 10), np.float32)
    found = checked_outputs(BATCHED, [LOGITS], {"logits": logits, "score": None}, rows=2)
    assert list(found) == ["logits"]
    assert found["logits"] is logits


def test_a_canary_is_one_row_that_fits() -> None:
    spec = replace(BATCHED, inputs=(IDS, MASK, TEXT))
    canary = canary_inputs(spec)
    assert {name: array.tolist() for name, array in canary.items()} == {
        "ids": [[1, 1, 1, 1]],
        "TEXT": [[b"canary"]],
    }
    assert list(checked_inputs(spec, canary)) == ["ids", "TEXT"]
