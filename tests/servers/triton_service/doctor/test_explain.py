"""Messages are known by their text: Triton's own, and those that guides print in its place."""

import pytest

from servers.triton_service.doctor.errors import DoctorError
from servers.triton_service.doctor.explain import explain, explanations
from servers.triton_service.doctor.rules import RULES


@pytest.mark.parametrize("name", [each.id for each in explanations()])
def test_an_example_is_explained_by_its_own_entry(name: str) -> None:
    (meant,) = [each for each in explanations() if each.id == name]
    assert explain(meant.example).id == name
    assert meant.real == (not meant.instead)


@pytest.mark.parametrize(
    ("message", "name"),
    [
        (
            "InferenceServerException: [StatusCode.NOT_FOUND] Request for unknown model: 'x' is not"
            " found",
            "unknown-model",
        ),
        ("DYNAMIC BATCHING DISABLED for model bert", "guide-batching-disabled"),
        ("torch.cuda.OutOfMemoryError: CUDA out of memory.", "cuda-memory"),
        ("tritonserver: unrecognized option '--response-timeout=5'", "unknown-option"),
    ],
)
def test_a_message_is_found_within_what_is_around_it(message: str, name: str) -> None:
    assert explain(message).id == name


def test_the_ten_messages_of_the_guide_are_explained() -> None:
    guide = (
        *("model not found", "invalid model configuration", "CUDA out of memory"),
        *("inference request timeout", "unable to create backend", "shape mismatch in input"),
        *("model version not available", "shared memory error", "dynamic batching disabled"),
        "TensorRT acceleration failed",
    )
    assert [text for text in guide if not explain(text).remedy] == []


def test_the_rules_that_are_named_exist() -> None:
    named = {rule for each in explanations() for rule in each.rules}
    assert named <= {rule.id for rule in RULES}


def test_another_message_is_refused_in_one_sentence() -> None:
    with pytest.raises(DoctorError, match="expected a message of Triton that is known here"):
        explain("segmentation fault")
