"""Models one after the other: what one gives, another takes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from servers.triton_service.client.arrays import Array, Arrays, checked_input
from servers.triton_service.client.errors import UsageError
from servers.triton_service.client.spec import (
    ModelSpec,
    TensorSpec,
    names_in_words,
    sizes_fit,
    tensor_named,
)


@dataclass(frozen=True)
class Step:
    """One model of a chain, its tensors mapped as in Triton's ensembles: inputs maps each input of
    the model to the name of a value, outputs each output that is wanted to the name that its value
    gets. A value is given at the start or made by an earlier step."""

    model: str
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]

    def arrays(self, values: Arrays) -> dict[str, Array]:
        """The model's inputs among the values."""
        return {tensor: values[value] for tensor, value in self.inputs.items()}


def check_chain(steps: Sequence[Step], specs: Mapping[str, ModelSpec], given: Arrays) -> None:
    """UsageError where a step cannot get what it needs, before anything is sent."""
    if not steps:
        raise UsageError("expected at least one step in a chain, found none: add one.")
    made: dict[str, tuple[str, TensorSpec]] = {}
    for step in steps:
        spec = specs[step.model]
        for tensor, value in _mapped(spec, step):
            if value in made:
                _check_passed(spec, tensor, *made[value])
            elif value in given:
                checked_input(spec, tensor, given[value])
            else:
                known = names_in_words([*given, *made])
                raise UsageError(
                    f"{spec.about}, input {tensor.name!r}: expected a value that is given or made "
                    f"before, among {known}, found {value!r}: correct the step."
                )
        for name, value in step.outputs.items():
            output = tensor_named(spec.outputs, name)
            if output is None:
                raise _no_tensor(spec, "outputs", spec.outputs, name)
            made[value] = (f"output {name!r} of {spec.about}", output)


def _mapped(spec: ModelSpec, step: Step) -> Iterator[tuple[TensorSpec, str]]:
    """The inputs of a step with their values."""
    for name in step.inputs:
        if tensor_named(spec.inputs, name) is None:
            raise _no_tensor(spec, "inputs", spec.inputs, name)
    for tensor in spec.inputs:
        if tensor.name in step.inputs:
            yield tensor, step.inputs[tensor.name]
        elif not tensor.optional:
            raise UsageError(
                f"{spec.about}: expected a value for its input {tensor.name!r}, found none in its "
                "step: map it."
            )


def _check_passed(spec: ModelSpec, tensor: TensorSpec, source: str, made: TensorSpec) -> None:
    if made.datatype != tensor.datatype or not sizes_fit(made.shape, tensor.shape):
        raise UsageError(
            f"{spec.about}, input {tensor.name!r}: expected {tensor.datatype} "
            f"{list(tensor.shape)}, found {made.datatype} {list(made.shape)} ({source}): map "
            "another."
        )


def _no_tensor(spec: ModelSpec, what: str, known: Sequence[TensorSpec], name: str) -> UsageError:
    names = names_in_words(tensor.name for tensor in known)
    return UsageError(
        f"{spec.about}: expected {what} among {names}, found {name!r}: correct the step."
    )
