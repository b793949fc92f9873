"""Requests and replies on both wires."""

import json
import struct

import pytest
from tritonclient.grpc import service_pb2

from loadtests.wire.formats import Answer, AnswerError
from loadtests.wire.texts import decode_answer, encode_request


def infer_response(label: bytes, confidence: float) -> bytes:
    response = service_pb2.ModelInferResponse()
    response.outputs.add(name="CONFIDENCE", datatype="FP32", shape=[1, 1])
    response.outputs.add(name="LABEL", datatype="BYTES", shape=[1, 1])
    response.raw_output_contents.append(struct.pack("<f", confidence))
    response.raw_output_contents.append(struct.pack("<I", len(label)) + label)
    return response.SerializeToString()


def test_an_http_request_carries_the_text_unescaped() -> None:
    assert json.loads(encode_request("http-json", "退款 please")) == {"text": "退款 please"}


def test_a_grpc_request_names_model_and_tensor() -> None:
    request = service_pb2.ModelInferRequest.FromString(encode_request("kserve-grpc", "退款"))
    assert request.model_name == "text_classifier"
    assert list(request.inputs[0].shape) == [1, 1]
    assert request.inputs[0].contents.bytes_contents[0].decode() == "退款"


def test_an_http_answer_is_read() -> None:
    reply = b'{"label": "refund", "confidence": 0.75, "latency_ms": 3.2}'
    assert decode_answer("http-json", reply) == Answer("refund", 0.75)


def test_a_grpc_answer_is_read_whatever_the_order_of_its_outputs() -> None:
    answer = decode_answer("kserve-grpc", infer_response("退款".encode(), 0.75))
    assert answer == Answer("退款", 0.75)


@pytest.mark.parametrize("protocol", ["http-json", "kserve-grpc"])
@pytest.mark.parametrize("reply", [b"", b"<html>", b'{"label": 3}'])
def test_anything_else_is_an_answer_error(protocol: str, reply: bytes) -> None:
    with pytest.raises(AnswerError):
        decode_answer(protocol, reply)
