"""Requests and answers of foreign services, as bytes."""

import json
import struct
from dataclasses import asdict, replace

import pytest
from tritonclient.grpc import service_pb2

from loadtests.wire.address import Address
from loadtests.wire.formats import (
    OWN_WIRES,
    Answer,
    AnswerError,
    InferWire,
    JsonWire,
    wire_from,
)
from loadtests.wire.headers import header_problem, resolved_headers, without_secrets
from servers.discovery import discover

TRITON_JSON = {
    "outputs": [
        {"name": "CONFIDENCE", "datatype": "FP32", "shape": [1, 1], "data": [0.75]},
        {"name": "LABEL", "datatype": "BYTES", "shape": [1, 1], "data": ["refund"]},
    ]
}


TEXTS = ['say "no"', "two\nlines", "退款，谢谢", "🙂", "x" * 70_000]


def binary_reply(label: str, confidence: float) -> bytes:
    """As Triton 2.51 writes it."""
    tensors = {"LABEL": ("BYTES", _element(label)), "CONFIDENCE": ("FP32", _float(confidence))}
    outputs = [
        {
            "name": name,
            "datatype": kind,
            "shape": [1, 1],
            "parameters": {"binary_data_size": len(raw)},
        }
        for name, (kind, raw) in tensors.items()
    ]
    head = {"model_name": "text_classifier", "model_version": "1", "outputs": outputs}
    return json.dumps(head).encode() + b"".join(raw for _, raw in tensors.values())


def _element(text: str) -> bytes:
    return struct.pack("<I", len(text.encode())) + text.encode()


def _float(value: float) -> bytes:
    return struct.pack("<f", value)


@pytest.mark.parametrize("text", TEXTS)
def test_kserve_in_json_carries_the_text_as_the_one_element_of_its_tensor(text: str) -> None:
    wire = OWN_WIRES["kserve-json"]
    asked = json.loads(wire.encode(text))
    assert wire.path == "/v2/models/text_classifier/infer"
    assert asked["inputs"] == [
        {"name": "TEXT", "shape": [1, 1], "datatype": "BYTES", "data": [text]}
    ]
    assert wire.decode(json.dumps(TRITON_JSON).encode()) == Answer("refund", 0.75)


@pytest.mark.parametrize("text", TEXTS)
def test_one_header_tells_where_the_tensor_of_any_binary_request_begins(text: str) -> None:
    wire = OWN_WIRES["kserve-binary"]
    body, at = wire.encode(text), int(wire.headers["inference-header-content-length"])
    (tensor,) = json.loads(body[:at])["inputs"]
    assert body[at:] == _element(text)
    assert tensor["parameters"]["binary_data_size"] == len(body) - at


@pytest.mark.parametrize("label", ["refund", "退款", '}"'])
def test_a_binary_answer_is_read_without_the_header_that_says_where_its_tensors_begin(
    label: str,
) -> None:
    assert OWN_WIRES["kserve-binary"].decode(binary_reply(label, 0.75)) == Answer(label, 0.75)


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"{}",
        b"[1]",
        b'{"outputs": 3}',
        binary_reply("a", 1.0)[:-6],
        json.dumps(TRITON_JSON).encode(),
    ],
)
def test_what_is_no_binary_answer_is_told(reply: bytes) -> None:
    with pytest.raises(AnswerError, match="^expected "):
        OWN_WIRES["kserve-binary"].decode(reply)


@pytest.mark.parametrize("wire", OWN_WIRES.values(), ids=OWN_WIRES)
def test_a_wire_arrives_at_the_load_generator_as_it_left(wire: JsonWire) -> None:
    sent = json.loads(json.dumps(asdict(wire)))
    found = wire_from("http-json", sent)
    assert (type(found), found) == (type(wire), wire)


@pytest.mark.parametrize(
    "text",
    ['say "no"', "two\nlines\ttab", "back\\slash", "退款，谢谢", "🙂 {text} {}", "\u2028\x00"],
)
def test_a_text_arrives_as_it_is_wherever_the_template_puts_it(text: str) -> None:
    wire = JsonWire(body='{"inputs": ["{text}"], "options": {"top_k": 1}}')
    assert json.loads(wire.encode(text)) == {"inputs": [text], "options": {"top_k": 1}}


@pytest.mark.parametrize(
    ("answer", "label", "confidence"),
    [
        ({"label": "refund", "confidence": 0.75}, "label", "confidence"),
        ([{"label": "refund", "score": 0.75}], "0.label", "[0].score"),
        ([[{"label": "refund", "score": 0.75}]], "[0][0].label", "0.0.score"),
        ({"a": {"b": [{"label": "refund", "p": 0.75}]}}, "a.b[0].label", "a.b.0.p"),
        (TRITON_JSON, "outputs[name=LABEL].data", "outputs[name=CONFIDENCE].data[0]"),
        ({"best": ["refund"], "p": [[0.75]]}, "best", "p"),
    ],
)
def test_a_path_leads_to_label_and_confidence(answer: object, label: str, confidence: str) -> None:
    wire = JsonWire(label=label, confidence=confidence)
    assert wire.decode(json.dumps(answer).encode()) == Answer("refund", 0.75)


def test_a_service_may_tell_no_confidence_and_number_its_labels() -> None:
    assert JsonWire(label="class", confidence=None).decode(b'{"class": 3}') == Answer("3")


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ('{"predictions": []}', "expected something at `predictions[0].label` of the answer"),
        ('{"predictions": [{"label": null}]}', "expected a label at `predictions[0].label`"),
        ('{"predictions": [{"label": "a"}]}', "expected something at `predictions[0].score`"),
        ('{"predictions": [{"label": "a", "score": "b"}]}', "expected a number at `predictions[0]"),
        ('{"predictions": {"label": "a"}}', 'found {"predictions": {"label": "a"}}'),
        ('["predictions"]', "expected something at `predictions[0].label`"),
        ("<html>", "expected JSON, found <html>"),
    ],
)
def test_another_answer_is_told_with_the_path_and_what_came(answer: str, expected: str) -> None:
    wire = JsonWire(label="predictions[0].label", confidence="predictions[0].score")
    with pytest.raises(AnswerError) as caught:
        wire.decode(answer.encode())
    assert expected in str(caught.value)


def test_a_list_of_several_confidences_is_not_taken_for_one() -> None:
    with pytest.raises(AnswerError, match="expected a number at `p`"):
        JsonWire(confidence="p").decode(b'{"label": "a", "p": [0.1, 0.9]}')


def test_a_grpc_request_names_model_and_tensor_of_the_service() -> None:
    wire = InferWire(model="mine", text_input="QUERY", shape=(1,), label="CLASS")
    request = service_pb2.ModelInferRequest.FromString(wire.encode("退款"))
    assert request.model_name == "mine"
    assert (request.inputs[0].name, list(request.inputs[0].shape)) == ("QUERY", [1])
    assert request.inputs[0].contents.bytes_contents[0].decode() == "退款"


@pytest.mark.parametrize(("datatype", "raw"), [("FP32", "<f"), ("FP64", "<d"), ("FP16", "<e")])
def test_raw_outputs_of_any_float_type_are_read(datatype: str, raw: str) -> None:
    response = service_pb2.ModelInferResponse()
    response.outputs.add(name="P", datatype=datatype, shape=[1, 1])
    response.outputs.add(name="CLASS", datatype="INT64", shape=[1, 1])
    response.raw_output_contents.extend([struct.pack(raw, 0.75), struct.pack("<q", 7)])
    wire = InferWire(label="CLASS", confidence="P")
    assert wire.decode(response.SerializeToString()) == Answer("7", 0.75)


def test_typed_outputs_are_read() -> None:
    response = service_pb2.ModelInferResponse()
    label = response.outputs.add(name="LABEL", datatype="BYTES", shape=[1])
    label.contents.bytes_contents.append("退款".encode())
    response.outputs.add(name="CONFIDENCE", datatype="FP32").contents.fp32_contents.append(0.75)
    assert InferWire().decode(response.SerializeToString()) == Answer("退款", 0.75)


def test_a_missing_output_is_told_by_name() -> None:
    empty = service_pb2.ModelInferResponse(model_name="mine").SerializeToString()
    with pytest.raises(AnswerError, match="expected something at `LABEL` of the answer"):
        InferWire().decode(empty)


@pytest.mark.parametrize(
    "wire", [JsonWire("/x", '["{text}"]', "0.l", None, {"a": "b"}), InferWire("m", "T", (1,))]
)
def test_a_wire_survives_being_written_as_json(wire: JsonWire | InferWire) -> None:
    written = json.dumps(vars(wire))
    assert wire_from(wire.protocol, json.loads(written)) == wire


def test_header_values_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    wire = JsonWire(headers={"authorization": "env:STUDY_TOKEN", "x-team": "search"})
    monkeypatch.delenv("STUDY_TOKEN", raising=False)
    assert "expected the environment variable STUDY_TOKEN" in str(header_problem(wire))
    monkeypatch.setenv("STUDY_TOKEN", "two\r\nlines")
    assert "expected one line of printable ASCII in STUDY_TOKEN" in str(header_problem(wire))
    monkeypatch.setenv("STUDY_TOKEN", "Bearer s3cret-t0ken")
    assert header_problem(wire) is None
    assert resolved_headers(wire) == {"authorization": "Bearer s3cret-t0ken", "x-team": "search"}
    message = "search: s3cret-t0ken is no token"
    assert without_secrets(message, wire) == "search: *** is no token"


@pytest.mark.parametrize("before", [0, 100, 145, 190, 199])
def test_a_long_secret_that_is_echoed_leaves_no_piece_wherever_the_message_is_cut(
    before: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = "".join(chr(ord("a") + k % 26) + str(k % 10) for k in range(32))
    monkeypatch.setenv("STUDY_TOKEN", f"Bearer {token}")
    wire = JsonWire(headers={"authorization": "env:STUDY_TOKEN"})
    reply = "." * before + " " + token + " is wrong"
    with pytest.raises(AnswerError) as caught:
        wire.decode(reply.encode())
    pieces = {token[k : k + 6] for k in range(len(token) - 5)}
    assert not [piece for piece in pieces if piece in str(caught.value)]


def test_a_secret_that_the_service_itself_cut_is_blotted_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("STUDY_TOKEN", "Bearer s3cret-t0ken-of-mine")
    wire = JsonWire(headers={"authorization": "env:STUDY_TOKEN"})
    assert without_secrets("bad Bearer s3cret-t0k...", wire) == "bad Bearer ***..."
    assert without_secrets("ends in n-of-mine.", wire) == "ends in ***."


def test_control_characters_of_an_answer_do_not_reach_the_terminal() -> None:
    with pytest.raises(AnswerError) as caught:
        JsonWire().decode(b"\x1b[2Jgone")
    assert str(caught.value) == "expected JSON, found \N{REPLACEMENT CHARACTER}[2Jgone"


def test_a_label_that_no_file_can_hold_is_kept_as_an_escape() -> None:
    reply = rb'{"label": "spam \ud800", "confidence": 0.5}'
    assert JsonWire().decode(reply) == Answer(r"spam \ud800", 0.5)
    response = service_pb2.ModelInferResponse()
    response.outputs.add(name="LABEL", datatype="BYTES").contents.bytes_contents.append(
        b"spam \xff"
    )
    wire = InferWire(confidence=None)
    assert wire.decode(response.SerializeToString()) == Answer(r"spam \xff")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999", "9" * 400])
def test_a_confidence_that_is_no_finite_number_is_refused(number: str) -> None:
    with pytest.raises(AnswerError, match="expected a number at `confidence`"):
        JsonWire().decode(b'{"label": "a", "confidence": %s}' % number.encode())


@pytest.mark.parametrize("reply", [b"[" * 100_000, b'{"label": %s}' % (b"9" * 5000)])
def test_an_answer_that_json_cannot_hold_is_told(reply: bytes) -> None:
    with pytest.raises(AnswerError, match="expected JSON, found"):
        JsonWire().decode(reply)


def test_what_callers_of_a_variant_must_send_goes_with_each_request() -> None:
    hybrid = discover()["hybrid"]
    guarded = hybrid.variant("guarded", headers={"authorization": "Bearer a"})
    wire = Address.of(guarded, "127.0.0.1", 1).wire
    assert wire.headers == {"authorization": "Bearer a"}
    assert wire == replace(Address.of(hybrid, "127.0.0.1", 1).wire, headers=wire.headers)
