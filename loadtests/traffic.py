"""The texts of a study with their reference answers, and how a text becomes bytes on the wire."""

import json
from dataclasses import dataclass
from pathlib import Path

from google.protobuf.message import DecodeError
from tritonclient.grpc import service_pb2

from servers.contract import MODEL_NAME, BatchItem, PredictResponse
from servers.discovery import Protocol

HTTP_PATH = "/predict"
GRPC_METHOD = "/inference.GRPCInferenceService/ModelInfer"


@dataclass(frozen=True)
class TrafficText:
    """label and confidence are the reference answer: torch, FP32, this text alone."""

    text_id: int
    text: str
    n_tokens: int
    label: str
    confidence: float


class AnswerError(ValueError):
    """A reply that is not an answer of the wire contract."""


def read_traffic(path: Path) -> list[TrafficText]:
    """The texts in traffic.jsonl, text_id equal to the position."""
    with path.open(encoding="utf-8") as lines:
        return [TrafficText(**json.loads(line)) for line in lines]


def encode_request(protocol: Protocol, text: str) -> bytes:
    """The body that carries one text: encoded before the clock starts, so that no contender is
    charged for its client's encoder."""
    if protocol == "http-json":
        return json.dumps({"text": text}, ensure_ascii=False).encode()
    request = service_pb2.ModelInferRequest(model_name=MODEL_NAME)
    tensor = request.inputs.add(name="TEXT", datatype="BYTES", shape=[1, 1])
    tensor.contents.bytes_contents.append(text.encode())
    return bytes(request.SerializeToString())


def decode_answer(protocol: Protocol, reply: bytes) -> BatchItem:
    """Label and confidence in one reply; AnswerError shows what came instead."""
    try:
        if protocol == "http-json":
            answer = PredictResponse.model_validate_json(reply)
            return BatchItem(label=answer.label, confidence=answer.confidence)
        return _decode_infer_response(service_pb2.ModelInferResponse.FromString(reply))
    except (ValueError, KeyError, TypeError, DecodeError) as error:
        raise AnswerError(f"expected a label and a confidence, found {reply[:200]!r}") from error


def _decode_infer_response(response: service_pb2.ModelInferResponse) -> BatchItem:
    # Raw output buffers stand in the order of the outputs; a BYTES element is its length as
    # 4 little-endian bytes, then its content (KServe v2 binary tensor format).
    raw = dict(zip((o.name for o in response.outputs), response.raw_output_contents, strict=True))
    size = int.from_bytes(raw["LABEL"][:4], "little")
    label = raw["LABEL"][4 : 4 + size].decode()
    (confidence,) = memoryview(raw["CONFIDENCE"]).cast("f")
    return BatchItem(label=label, confidence=confidence)
