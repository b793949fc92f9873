"""The outputs of a ModelInferResponse of the KServe v2 protocol."""

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from tritonclient.grpc import service_pb2


def outputs_of(response: "service_pb2.ModelInferResponse") -> dict[str, list[Any]]:
    """Elements of each output. Raw buffers, where used, stand in the order of the outputs; without
    them each output carries typed contents (KServe v2, "Tensor Data")."""
    if not response.raw_output_contents:
        return {
            output.name: [_text(e) for _, typed in output.contents.ListFields() for e in typed]
            for output in response.outputs
        }
    pairs = zip(response.outputs, response.raw_output_contents, strict=True)
    return {output.name: elements(output.datatype, raw) for output, raw in pairs}


def _text(element: Any) -> Any:
    return _told(element) if isinstance(element, bytes) else element


def _told(element: bytes) -> str:
    return element.decode(errors="backslashreplace")  # what is no UTF-8 is kept, escaped


def elements(datatype: str, raw: bytes) -> list[Any]:
    """Those of one tensor in the raw form that gRPC and the binary extension of HTTP share."""
    if datatype != "BYTES":
        from tritonclient.utils import triton_to_np_dtype

        numbers: list[Any] = np.frombuffer(raw, triton_to_np_dtype(datatype)).tolist()
        return numbers
    # A BYTES element is its length as 4 little-endian bytes, then its content.
    found, at = [], 0
    while at < len(raw):
        end = at + 4 + int.from_bytes(raw[at : at + 4], "little")
        found.append(_told(raw[at + 4 : end]))
        at = end
    return found
