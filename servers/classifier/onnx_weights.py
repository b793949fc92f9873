"""The number types of the weights in an ONNX file, read without loading the weights.

Every server that runs ONNX Runtime asks for them: the onnx package would cost it memory and time.
"""

import mmap
from collections.abc import Iterator
from pathlib import Path

# Field numbers of ModelProto, GraphProto and TensorProto, and values of TensorProto.DataType, from
# onnx/onnx.proto; the encoding of the fields: https://protobuf.dev/programming-guides/encoding
_MODEL_GRAPH, _GRAPH_INITIALIZER, _TENSOR_DATA_TYPE = 7, 5, 2
_PRECISIONS = {1: "fp32", 10: "fp16", 11: "fp64", 16: "bf16"}
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5

_Span = tuple[int, int]


def precision_of_weights(path: Path) -> str:
    """ "fp32", "fp16", ... when all floating-point initialisers of the model have that type, else
    "mixed"; integers do not count. ValueError when path is not an ONNX model."""
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        try:
            found = {_PRECISIONS[kind] for kind in _initializer_types(data) if kind in _PRECISIONS}
        except IndexError:
            found = set()
    if not found:
        raise ValueError(
            f"expected an ONNX model with floating-point weights in {path}, found none: build the "
            "model again."
        )
    return found.pop() if len(found) == 1 else "mixed"


def _initializer_types(data: mmap.mmap) -> Iterator[int]:
    for graph in _messages(data, (0, len(data)), _MODEL_GRAPH):
        for tensor in _messages(data, graph, _GRAPH_INITIALIZER):
            yield from (
                value
                for number, value in _fields(data, tensor)
                if number == _TENSOR_DATA_TYPE and isinstance(value, int)
            )


def _messages(data: mmap.mmap, within: _Span, wanted: int) -> Iterator[_Span]:
    for number, value in _fields(data, within):
        if number == wanted and isinstance(value, tuple):
            yield value


def _fields(data: mmap.mmap, within: _Span) -> Iterator[tuple[int, int | _Span]]:
    """Number and value of each field: an integer, or where its bytes are."""
    position, end = within
    while position < end:
        key, position = _varint(data, position)
        kind = key & 7
        if kind == _VARINT:
            value, position = _varint(data, position)
            yield key >> 3, value
            continue
        if kind == _BYTES:
            length, position = _varint(data, position)
        else:
            length = {_FIXED64: 8, _FIXED32: 4}.get(kind, end)
        yield key >> 3, (position, position + length)
        position += length


def _varint(data: mmap.mmap, position: int) -> _Span:
    """The integer at position, and the position after it."""
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, position
