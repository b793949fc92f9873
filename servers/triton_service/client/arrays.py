"""Arrays against a model's description: before they are sent, and when they have come back."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tritonclient.utils import np_to_triton_dtype, triton_to_np_dtype

from servers.triton_service.client.errors import AnswerError, UsageError
from servers.triton_service.client.spec import (
    ModelSpec,
    TensorSpec,
    names_in_words,
    shape_in_words,
    sizes_fit,
)

Array = NDArray[Any]
Arrays = Mapping[str, Array]

BYTES = "BYTES"
CANARY_TEXT = b"canary"


def checked_inputs(spec: ModelSpec, given: Arrays) -> dict[str, Array]:
    """The inputs as they are sent; UsageError says what does not fit. Nothing is converted but text
    to UTF-8: a cast that nobody asked for hides a caller's mistake."""
    _check_input_names(spec, given)
    arrays = {
        tensor.name: checked_input(spec, tensor, given[tensor.name])
        for tensor in spec.inputs
        if tensor.name in given
    }
    rows = {name: len(array) for name, array in arrays.items()} if spec.max_batch_size else {}
    if len(set(rows.values())) > 1:
        found = ", ".join(f"{n} of {name}" for name, n in rows.items())
        raise UsageError(
            f"{spec.about}: expected as many rows of each input, found {found}: give all inputs "
            "one batch size."
        )
    return arrays


def checked_input(spec: ModelSpec, tensor: TensorSpec, array: object) -> Array:
    """One input as it is sent; UsageError where it is of another type or shape."""
    where = f"{spec.about}, input {tensor.name!r}"
    if not isinstance(array, np.ndarray):
        raise UsageError(
            f"{where}: expected a numpy array, found {type(array).__name__}: convert it."
        )
    typed = _encoded(where, array) if tensor.datatype == BYTES else _typed(where, tensor, array)
    if not _has_shape(spec, tensor, typed.shape):
        raise UsageError(
            f"{where}: expected the shape {shape_in_words(spec, tensor)}, found "
            f"{list(typed.shape)}: {_advice(spec, tensor, typed.shape)}."
        )
    return typed


def wanted_outputs(spec: ModelSpec, names: Sequence[str]) -> tuple[TensorSpec, ...]:
    """Those of the names, or all; UsageError where the model has no such output."""
    known = [tensor.name for tensor in spec.outputs]
    unknown = [name for name in names if name not in known]
    if unknown:
        raise UsageError(
            f"{spec.about}: expected outputs among {names_in_words(known)}, found "
            f"{names_in_words(unknown)}: correct the name."
        )
    return tuple(tensor for tensor in spec.outputs if not names or tensor.name in names)


def checked_outputs(
    spec: ModelSpec,
    wanted: Sequence[TensorSpec],
    found: Mapping[str, Array | None],
    rows: int | None,
) -> dict[str, Array]:
    """The answer's arrays; rows is the batch size of the request. AnswerError where a tensor is
    missing or not as described: Triton does not compare what a Python model returns."""
    arrays = {}
    for tensor in wanted:
        array = found.get(tensor.name)
        where = f"{spec.about}, output {tensor.name!r}"
        if array is None:
            raise AnswerError(f"{where}: expected it in the answer, found none: correct the model.")
        shape = tensor.shape if rows is None else (rows, *tensor.shape[1:])
        if array.dtype != numpy_type(tensor) or not sizes_fit(shape, array.shape):
            raise AnswerError(
                f"{where}: expected {tensor.datatype} {list(shape)}, found "
                f"{np_to_triton_dtype(array.dtype) or array.dtype} {list(array.shape)}: correct "
                "the model or its configuration."
            )
        arrays[tensor.name] = array
    return arrays


def canary_inputs(spec: ModelSpec) -> dict[str, Array]:
    """The smallest request that fits the description: one row of ones."""
    return {tensor.name: _canary(tensor) for tensor in spec.inputs if not tensor.optional}


def numpy_type(tensor: TensorSpec) -> np.dtype[Any]:
    return np.dtype(triton_to_np_dtype(tensor.datatype))


def _canary(tensor: TensorSpec) -> Array:
    shape = [max(size, 1) for size in tensor.shape]
    content = CANARY_TEXT if tensor.datatype == BYTES else 1
    return np.full(shape, content, dtype=numpy_type(tensor))


def _check_input_names(spec: ModelSpec, given: Arrays) -> None:
    known = [tensor.name for tensor in spec.inputs]
    missing = [t.name for t in spec.inputs if not t.optional and t.name not in given]
    unknown = [name for name in given if name not in known]
    if not missing and not unknown:
        return
    advice = [f"add {names_in_words(missing)}"] if missing else []
    advice += [f"leave out {names_in_words(unknown)}"] if unknown else []
    raise UsageError(
        f"{spec.about}: expected the inputs {names_in_words(known)}, found "
        f"{names_in_words(given)}: {' and '.join(advice)}."
    )


def _typed(where: str, tensor: TensorSpec, array: Array) -> Array:
    found = np_to_triton_dtype(array.dtype)
    if found != tensor.datatype:
        raise UsageError(
            f"{where}: expected {tensor.datatype}, found {found or array.dtype}: convert it, as in "
            f'array.astype("{numpy_type(tensor)}").'
        )
    return array


def _encoded(where: str, array: Array) -> Array:
    """bytes as they are, str in UTF-8; tritonclient itself would send "None" and "1" for others."""
    encoded = [_encoded_one(where, each) for each in array.ravel().tolist()]
    return np.array(encoded, dtype=np.object_).reshape(array.shape)


def _encoded_one(where: str, each: object) -> bytes:
    if isinstance(each, bytes):
        return each
    if not isinstance(each, str):
        raise UsageError(
            f"{where}: expected {BYTES} (an array of str or bytes), found {type(each).__name__} in "
            "it: encode it."
        )
    try:
        return each.encode()
    except UnicodeEncodeError:
        raise UsageError(
            f"{where}: expected text, found half of a surrogate pair in it: correct the text."
        ) from None


def _has_shape(spec: ModelSpec, tensor: TensorSpec, shape: Sequence[int]) -> bool:
    in_batch = not spec.max_batch_size or (shape[:1] and 1 <= shape[0] <= spec.max_batch_size)
    return bool(in_batch) and sizes_fit(tensor.shape, shape)


def _advice(spec: ModelSpec, tensor: TensorSpec, shape: Sequence[int]) -> str:
    if spec.max_batch_size and sizes_fit(tensor.shape[1:], shape):
        return "put the batch dimension first, as in array[numpy.newaxis]"
    if spec.max_batch_size and sizes_fit(tensor.shape, shape) and shape[0]:
        return f"send at most {spec.max_batch_size} rows in a request"
    if not spec.max_batch_size and sizes_fit(tensor.shape, shape[1:]):
        return "leave out the batch dimension, this model has none"
    return "correct it"
