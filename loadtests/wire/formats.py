"""How one text is asked and one answer is read: the study's own contract, or a foreign service's.

Every contender of the study speaks CONTRACT_WIRES; an external one declares its own.
"""

import json
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from google.protobuf.message import DecodeError

from servers.contract import MODEL_NAME
from servers.discovery import Protocol
from servers.storable import storable

if TYPE_CHECKING:
    from tritonclient.grpc import service_pb2

# tritonclient is imported where it is used: it takes a quarter of a second, and the load generator,
# which is started for every trial, needs none of it to speak HTTP.

HTTP_PATH = "/predict"
GRPC_METHOD = "/inference.GRPCInferenceService/ModelInfer"

TEXT_PLACE = "{text}"
"""Stands in a body template, inside a JSON string, for the escaped text."""

_ENVIRONMENT = "env:"
_LEAST_SECRET_CHARS = 6
_SHOWN_CHARS = 200
_READ_CHARS = 65_536
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
            raise AnswerError(f"expected JSON, found {shown(reply, self)}") from error
        return _answer(self, lambda path: _at(answer, path), reply)


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
            outputs = _outputs(service_pb2.ModelInferResponse.FromString(reply))
        except (ValueError, TypeError, DecodeError) as error:
            raise AnswerError(
                f"expected a ModelInferResponse, found {shown(reply, self)}"
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
            elements = next(iter(_outputs(response).values()))
            return Answer(response.model_name, float(max(elements)))
        except (ValueError, TypeError, DecodeError, StopIteration) as error:
            raise AnswerError(
                f"expected a ModelInferResponse, found {shown(reply, self)}"
            ) from error


Wire = JsonWire | InferWire

CONTRACT_WIRES: Mapping[Protocol, Wire] = {"http-json": JsonWire(), "kserve-grpc": InferWire()}
"""What every contender of the study speaks."""


def wire_from(protocol: Protocol, fields: Mapping[str, Any] | None) -> Wire:
    """The wire whose dataclasses.asdict is fields; None: the study's own contract."""
    if fields is None:
        return CONTRACT_WIRES[protocol]
    if protocol == "http-json":
        return JsonWire(**fields)
    kind = PreparedWire if "folder" in fields else InferWire
    return kind(**{**fields, "shape": tuple(fields["shape"])})


def resolved_headers(wire: Wire) -> dict[str, str]:
    """The headers with the values of the environment; KeyError names a variable that is not set."""
    secrets = {name: os.environ[variable] for name, variable in _variables(wire).items()}
    return {**wire.headers, **secrets}


def header_problem(wire: Wire) -> str | None:
    """What is wrong with an environment variable that a header needs: expected this, found that."""
    for variable in _variables(wire).values():
        value = os.environ.get(variable)
        if value is None:
            return f"expected the environment variable {variable} for a header, found none"
        if not value.isascii() or not value.isprintable():
            return f"expected one line of printable ASCII in {variable}, found something else"
    return None


def without_secrets(message: str, wire: Wire) -> str:
    """The message with what came from the environment blotted out: services echo bad tokens.

    A piece of a secret counts as well: a service may cut or escape what it echoes.
    """
    hidden = [False] * len(message)
    for secret in _secrets(wire):
        for start in range(len(secret) - _LEAST_SECRET_CHARS + 1):
            piece = secret[start : start + _LEAST_SECRET_CHARS]
            at = message.find(piece)
            while at >= 0:
                hidden[at : at + len(piece)] = [True] * len(piece)
                at = message.find(piece, at + 1)
    runs = groupby(zip(message, hidden, strict=True), key=lambda pair: pair[1])
    return "".join("***" if secret else "".join(c for c, _ in run) for secret, run in runs)


def _secrets(wire: Wire) -> Iterator[str]:
    """The words of the header values that come from the environment, but for a scheme's name."""
    for variable in _variables(wire).values():
        words = os.environ.get(variable, "").split()
        yield from words[1:] if len(words) > 1 and words[0].isalpha() else words


def _variables(wire: Wire) -> dict[str, str]:
    """The environment variable behind each header that has one."""
    return {
        name: value.removeprefix(_ENVIRONMENT)
        for name, value in wire.headers.items()
        if value.startswith(_ENVIRONMENT)
    }


def shown(reply: bytes | str, wire: Wire) -> str:
    """The beginning of what a service said, as one line of printable text without secrets.

    Secrets go before the line is cut: half of one that the cut leaves is not recognised any more.
    """
    read = reply[:_READ_CHARS]
    text = read.decode(errors="replace") if isinstance(read, bytes) else read
    line = without_secrets(" ".join(text.split()), wire)[:_SHOWN_CHARS]
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line) or "nothing"


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
    return AnswerError(f"expected {kind} at `{where}` of the answer, found {shown(reply, wire)}")


def _at(answer: Any, path: str) -> Any:
    for token in re.findall(r"\[[^\]]*\]|[^.\[\]]+", path):
        step = token.strip("[]")
        if isinstance(answer, list) and "=" in step:
            key, _, wanted = step.partition("=")
            (answer,) = (element for element in answer if element[key] == wanted)
        else:
            answer = answer[int(step) if isinstance(answer, list) else step]
    return answer


def _outputs(response: "service_pb2.ModelInferResponse") -> dict[str, list[Any]]:
    """Elements of each output. Raw buffers, where used, stand in the order of the outputs; without
    them each output carries typed contents (KServe v2, "Tensor Data")."""
    if not response.raw_output_contents:
        return {
            output.name: [
                _text(e) for _, elements in output.contents.ListFields() for e in elements
            ]
            for output in response.outputs
        }
    pairs = zip(response.outputs, response.raw_output_contents, strict=True)
    return {output.name: _elements(output.datatype, raw) for output, raw in pairs}


def _text(element: Any) -> Any:
    return _told(element) if isinstance(element, bytes) else element


def _told(element: bytes) -> str:
    return element.decode(errors="backslashreplace")  # what is no UTF-8 is kept, escaped


def _elements(datatype: str, raw: bytes) -> list[Any]:
    if datatype != "BYTES":
        from tritonclient.utils import triton_to_np_dtype

        elements: list[Any] = np.frombuffer(raw, triton_to_np_dtype(datatype)).tolist()
        return elements
    # A BYTES element is its length as 4 little-endian bytes, then its content.
    found, at = [], 0
    while at < len(raw):
        end = at + 4 + int.from_bytes(raw[at : at + 4], "little")
        found.append(_told(raw[at + 4 : end]))
        at = end
    return found
