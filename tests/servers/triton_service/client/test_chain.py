"""A chain whose steps do not fit is refused before anything is sent."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from servers.triton_service.client.chain import Step, check_chain
from servers.triton_service.client.errors import UsageError
from servers.triton_service.client.spec import ModelSpec, TensorSpec

TOKENIZER = ModelSpec(
    "tokenizer",
    ("1",),
    8,
    inputs=(TensorSpec("TEXT", "BYTES", (-1, 1)),),
    outputs=(TensorSpec("ids", "INT64", (-1, -1)), TensorSpec("n", "INT64", (-1, 1))),
)
NETWORK = ModelSpec(
    "network",
    ("1",),
    8,
    inputs=(TensorSpec("ids", "INT64", (-1, 128)), TensorSpec("t", "FP32", (-1, 1), optional=True)),
    outputs=(TensorSpec("logits", "FP32", (-1, 10)),),
)
SPECS = {spec.name: spec for spec in (TOKENIZER, NETWORK)}
FIRST = Step("tokenizer", {"TEXT": "text"}, {"ids": "tokens"})
SECOND = Step("network", {"ids": "tokens"}, {"logits": "logits"})
GIVEN: dict[str, Any] = {"text": np.array([["a"]])}


def refused(*steps: Step, given: dict[str, Any] = GIVEN) -> str:
    with pytest.raises(UsageError) as error:
        check_chain(steps, SPECS, given)
    return str(error.value)


def test_steps_that_fit_are_not_refused() -> None:
    check_chain([FIRST, SECOND], SPECS, GIVEN)


def test_a_chain_of_no_steps_is_refused() -> None:
    assert refused() == "expected at least one step in a chain, found none: add one."


def test_a_value_that_nobody_has_made_is_refused_with_those_that_there_are() -> None:
    assert refused(FIRST, replace(SECOND, inputs={"ids": "token"})) == (
        "model 'network', input 'ids': expected a value that is given or made before, among text, "
        "tokens, found 'token': correct the step."
    )


def test_a_step_before_that_which_makes_its_value_is_refused() -> None:
    assert "among text, found 'tokens'" in refused(SECOND, FIRST)


def test_a_value_of_another_shape_than_its_taker_is_refused() -> None:
    assert refused(replace(FIRST, outputs={"n": "tokens"}), SECOND) == (
        "model 'network', input 'ids': expected INT64 [-1, 128], found INT64 [-1, 1] (output 'n' "
        "of model 'tokenizer'): map another."
    )


def test_a_value_of_another_type_than_its_taker_is_refused() -> None:
    first = replace(FIRST, outputs={"ids": "tokens", "n": "n"})
    assert refused(first, replace(SECOND, inputs={"ids": "tokens", "t": "n"})) == (
        "model 'network', input 't': expected FP32 [-1, 1], found INT64 [-1, 1] (output 'n' of "
        "model 'tokenizer'): map another."
    )


def test_a_required_input_without_a_value_is_refused() -> None:
    assert refused(FIRST, replace(SECOND, inputs={})) == (
        "model 'network': expected a value for its input 'ids', found none in its step: map it."
    )


def test_an_input_that_the_model_has_not_is_refused() -> None:
    assert refused(replace(FIRST, inputs={"TEXTS": "text"})) == (
        "model 'tokenizer': expected inputs among TEXT, found 'TEXTS': correct the step."
    )


def test_an_output_that_the_model_has_not_is_refused() -> None:
    assert refused(replace(FIRST, outputs={"id": "tokens"})) == (
        "model 'tokenizer': expected outputs among ids, n, found 'id': correct the step."
    )


def test_what_is_given_is_checked_for_every_step_before_the_first_is_sent() -> None:
    second = replace(SECOND, inputs={"ids": "tokens", "t": "temperature"})
    given = GIVEN | {"temperature": np.ones((1, 1))}
    assert "model 'network', input 't': expected FP32, found FP64" in refused(
        FIRST, second, given=given
    )
