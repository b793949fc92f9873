"""What an ONNX file says of its inputs and outputs; its weights are not looked at."""

from pathlib import Path
from typing import Any

from servers.triton_service.doctor.errors import DoctorError
from servers.triton_service.doctor.models import OnnxGraph, OnnxTensor

DATATYPES = {
    "FLOAT": "FP32",
    "DOUBLE": "FP64",
    "FLOAT16": "FP16",
    "BFLOAT16": "BF16",
    "STRING": "STRING",
    **{name: name for name in ("BOOL", "INT8", "INT16", "INT32", "INT64")},
    **{name: name for name in ("UINT8", "UINT16", "UINT32", "UINT64")},
}


def read_onnx(path: Path) -> OnnxGraph:
    """The graph's facts; DoctorError where the file holds none."""
    import onnx
    from google.protobuf.message import DecodeError

    try:
        graph = onnx.load(str(path), load_external_data=False).graph
    except (DecodeError, OSError, ValueError) as error:
        raise _no_onnx(path, type(error).__name__) from None
    if not graph.output:
        raise _no_onnx(path, "a graph without outputs")
    initialised = {tensor.name for tensor in graph.initializer}
    return OnnxGraph(
        inputs=tuple(_tensor(each) for each in graph.input if each.name not in initialised),
        outputs=tuple(_tensor(each) for each in graph.output),
        external_files=tuple(sorted(set(_external(graph.initializer)))),
    )


def _tensor(value: Any) -> OnnxTensor:
    import onnx

    tensor = value.type.tensor_type
    named = onnx.TensorProto.DataType.Name(tensor.elem_type)
    shape = tuple(size.dim_value if size.HasField("dim_value") else -1 for size in tensor.shape.dim)
    return OnnxTensor(value.name, DATATYPES.get(named, named), shape)


def _external(initialisers: Any) -> list[str]:
    return [
        entry.value
        for tensor in initialisers
        for entry in tensor.external_data
        if entry.key == "location"
    ]


def _no_onnx(path: Path, found: str) -> DoctorError:
    return DoctorError(
        f"expected an ONNX network in {path}, found {found}: export it again, or copy it again "
        "(a pointer of Git LFS is no network)."
    )
