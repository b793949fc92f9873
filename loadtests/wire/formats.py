"""How one text is asked and one answer is read: the study's own contract, or a foreign service's.

Every contender of the study speaks CONTRACT_WIRES; an external one declares its own.
"""

import json
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote

from google.protobuf.message import DecodeError

from loadtests.wire.headers import quoted
from loadtests.wire.tensors import elements, outputs_of
from servers.contract import MODEL_NAME
from servers.discovery import Contender, Protocol, WireName
from servers.storable import storable

# tritonclient is imported where it is used: it takes a quarter of a second, and whoever speaks HTTP
# needs none of it.

HTTP_PATH = "/predict"
GRPC_METHOD = "/inference.GRPCInferenceService/ModelInfer"

TEXT_PLACE = "{text}"
"""Stands in a body template, inside a JSON string, for the escaped text."""

_LARGEST = sys.float_info.max


class AnswerError(ValueError):
    """A reply that is not an answer as the wire describes it."""


@dataclass(frozen=True)
class Answer:
    """confidence None: this contender does not tell it."""

    label: str
    confidence: float | None = None


@dataclass(frozen=True)
class JsonWire:
    """JSON over HTTP POST.

    label and confidence are paths into the answer: keys and positions, as in `predictions[0].label`
    or `0.label`, and `outputs[name=LABEL].data`, which looks for the element with that name. A list
    of one element stands for it. headers are added to each request; "env:NAME" means the value
    of that environment variable, so that no secret is written anywhere.
    """

    protocol: ClassVar[Protocol] = "http-json"

    path: str = HTTP_PATH
    body: str = '{"text": "{text}"}'
    label: str = "label"
    confidence: str | None = "confidence"
    headers: Mapping[str, str] = field(default_factory=dict)

    def encode(self, text: str) -> bytes:
        """The body that carries text: made before the clock starts, so that no contender is
        charged for its client's encoder."""
        escaped = json.dumps(text, ensure_ascii=False)[1:-1]
        return self.body.replace(TEXT_PLACE, escaped).encode()

    def decode(self, reply: bytes) -> Answer:
        """Label and confidence in one reply; AnswerError says what was expected, and found."""
        try:
            answer = json.loads(reply)
        except (ValueError, RecursionError) as error:
            raise AnswerError(f"expected JSON, found {quoted(reply, self)}") from error
        return _answer(self, lambda path: _at(answer, path), reply)


def kserve_json(
    model: str,
    text_input: str,
    shape: tuple[int, ...],
    label: str,
    confidence: str | None,
    headers: Mapping[str, str] | None = None,
) -> JsonWire:
    """KServe v2 over HTTP, all of it in JSON; the arguments are those of InferWire."""
    wanted = [name for name in (label, confidence) if name]
    tensor = {"name": text_input, "shape": shape, "datatype": "BYTES", "data": [TEXT_PLACE]}
    body = {"inputs": [tensor], "outputs": [{"name": name} for name in wanted]}
    return JsonWire(
        path=_infer_path(model),
        body=json.dumps(body),
        label=_output_path(label),
        confidence=_output_path(confidence) if confidence else None,
        headers=headers or {},
    )


_BINARY_HEAD = (
    '{{"inputs":[{{"name":"TEXT","shape":[1,1],"datatype":"BYTES",'
    '"parameters":{{"binary_data_size":{n_bytes:7}}}}}],'
    '"parameters":{{"binary_data_output":true}}}}'
)
"""One length whatever the size of the text, so that one header tells it for all requests."""


@dataclass(frozen=True)
class BinaryWire(JsonWire):
    """KServe v2 over HTTP with its binary extension: JSON first, then the tensors as bytes.

    Where they begin stands in a header of the reply. The JSON shows it as well: it ends where its
    first brace is closed.
    """

    path: str = f"/v2/models/{MODEL_NAME}/infer"
    label: str = "LABEL"
    confidence: str | None = "CONFIDENCE"
    headers: Mapping[str, str] = field(
        default_factory=lambda: {
            "content-type": "application/octet-stream",
            "inference-header-content-length": str(len(_BINARY_HEAD.format(n_bytes=0))),
        }
    )
    binary: bool = True

    def encode(self, text: str) -> bytes:
        element = text.encode()
        head = _BINARY_HEAD.format(n_bytes=4 + len(element))
        return head.encode() + len(element).to_bytes(4, "little") + element

    def decode(self, reply: bytes) -> Answer:
        try:
            outputs = _binary_outputs(reply)
        except (ValueError, TypeError, LookupError, RecursionError) as error:
            raise AnswerError(
                f"expected JSON and its tensors as bytes, found {quoted(reply, self)}"
            ) from error
        return _answer(self, lambda name: outputs[name], reply)


def _binary_outputs(reply: bytes) -> dict[str, list[Any]]:
    # Latin-1 keeps one character a byte, and Triton's JSON is ASCII.
    said, at = json.JSONDecoder().raw_decode(reply.decode("latin-1"))
    outputs = {}
    for output in said["outputs"]:
        end = at + output["parameters"]["binary_data_size"]
        outputs[output["name"]] = elements(output["datatype"], reply[at:end])
        at = end
    return outputs


def _infer_path(model: str) -> str:
    return f"/v2/models/{quote(model, safe='')}/infer"


def _output_path(name: str) -> str:
    return f"outputs[name={name}].data"


@dataclass(frozen=True)
class InferWire:
    """ModelInfer of the KServe v2 protocol over gRPC.

    shape is that of the one text: [1, 1] where the model has a batch dimension. label and
    confidence are output names; headers are sent as metadata, as in JsonWire.
    """

    protocol: ClassVar[Protocol] = "kserve-grpc"

    model: str = MODEL_NAME
    text_input: str = "TEXT"
    shape: tuple[int, ...] = (1, 1)
    label: str = "LABEL"
    confidence: str | None = "CONFIDENCE"
    headers: Mapping[str, str] = field(default_factory=dict)

    def encode(self, text: str) -> bytes:
        """A serialised ModelInferRequest, made before the clock starts."""
        from tritonclient.grpc import service_pb2

        request = service_pb2.ModelInferRequest(model_name=self.model)
        tensor = request.inputs.add(name=self.text_input, datatype="BYTES", shape=self.shape)
        tensor.contents.bytes_contents.append(text.encode())
        return bytes(request.SerializeToString())

    def decode(self, reply: bytes) -> Answer:
        """Label and confidence in a serialised ModelInferResponse."""
        from tritonclient.grpc import service_pb2

        try:
            outputs = outputs_of(service_pb2.ModelInferResponse.FromString(reply))
        except (ValueError, TypeError, DecodeError) as error:
            raise AnswerError(
                f"expected a ModelInferResponse, found {quoted(reply, self)}"
            ) from error
        return _answer(self, lambda name: outputs[name], reply)


@dataclass(frozen=True)
class PreparedWire(InferWire):
    """Any model behind KServe v2 over gRPC: each request was serialised before and lies in folder.

    A text is the name of its file. The answer is the largest element of the first output, as
    confidence, and the model that gave it, as label: it tells requests apart, and changes as little
    as the numbers do where two elements are nearly equal.
    """

    folder: str = ""

    def encode(self, text: str) -> bytes:
        return (Path(self.folder) / text).read_bytes()

    def decode(self, reply: bytes) -> Answer:
        from tritonclient.grpc import service_pb2

        try:
            response = service_pb2.ModelInferResponse.FromString(reply)
            elements = next(iter(outputs_of(response).values()))
            return Answer(response.model_name, float(max(elements)))
        except (ValueError, TypeError, DecodeError, StopIteration) as error:
            raise AnswerError(
                f"expected a ModelInferResponse, found {quoted(reply, self)}"
            ) from error


Wire = JsonWire | InferWire

CONTRACT_WIRES: Mapping[Protocol, Wire] = {"http-json": JsonWire(), "kserve-grpc": InferWire()}
"""What a contender of the study speaks where it names no other wire."""

OWN_WIRES: Mapping[WireName, JsonWire] = {
    "kserve-json": kserve_json(MODEL_NAME, "TEXT", (1, 1), "LABEL", "CONFIDENCE"),
    "kserve-binary": BinaryWire(),
}
"""The others. The client of http-json asks both by the
same steps as /predict: a prepared body is sent, and the reply is read by its Content-Length."""


def wire_of(contender: Contender) -> Wire:
    """What a contender of the study speaks."""
    wire = OWN_WIRES[contender.wire] if contender.wire else CONTRACT_WIRES[contender.protocol]
    if not contender.headers:
        return wire
    return replace(wire, headers={**wire.headers, **contender.headers})


def wire_from(protocol: Protocol, fields: Mapping[str, Any] | None) -> Wire:
    """The wire whose dataclasses.asdict is fields; None: the study's own contract."""
    if fields is None:
        return CONTRACT_WIRES[protocol]
    if protocol == "http-json":
        return BinaryWire(**fields) if "binary" in fields else JsonWire(**fields)
    kind = PreparedWire if "folder" in fields else InferWire
    return kind(**{**fields, "shape": tuple(fields["shape"])})


def _answer(wire: "JsonWire | InferWire", find: Callable[[str], Any], reply: bytes) -> Answer:
    label, confidence = wire.label, wire.confidence
    found_label = _found(label, find, reply, wire)
    if not isinstance(found_label, str | int):
        raise _unexpected("a label", label, reply, wire)
    if confidence is None:
        return Answer(storable(str(found_label)))
    found_confidence = _found(confidence, find, reply, wire)
    if not _is_number(found_confidence):
        raise _unexpected("a number", confidence, reply, wire)
    return Answer(storable(str(found_label)), float(found_confidence))


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return -_LARGEST <= value <= _LARGEST  # not NaN, and no integer beyond what float holds


def _found(where: str, find: Callable[[str], Any], reply: bytes, wire: Wire) -> Any:
    try:
        value = find(where)
    except (LookupError, TypeError, ValueError) as error:
        raise _unexpected("something", where, reply, wire) from error
    while isinstance(value, list) and len(value) == 1:
        value = value[0]
    return value


def _unexpected(kind: str, where: str, reply: bytes, wire: Wire) -> AnswerError:
    return AnswerError(f"expected {kind} at `{where}` of the answer, found {quoted(reply, wire)}")


def _at(answer: Any, path: str) -> Any:
    for token in re.findall(r"\[[^\]]*\]|[^.\[\]]+", path):
        step = token.strip("[]")
        if isinstance(answer, list) and "=" in step:
            key, _, wanted = step.partition("=")
            (answer,) = (element for element in answer if element[key] == wanted)
        else:
            answer = answer[int(step) if isinstance(answer, list) else step]
    return answer
