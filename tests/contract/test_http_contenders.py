"""What every HTTP contender with a model promises beyond test_every_contender."""

import contextlib
import http.client
import json
import socket
from typing import Any

import jsonschema
import pytest

from servers.contract import (
    MAX_BATCH_TEXTS,
    MAX_BODY_BYTES,
    MAX_LENGTH_TOKENS,
    MAX_TEXT_CHARS,
)
from servers.discovery import Contender

TEXTS = ["我的快递到哪里了", "Please refund the second payment.", "密码忘了😡 help", "thanks!"]


def applies_to(contender: Contender) -> bool:
    own = contender.protocol == "http-json" and contender.wire is None
    return own and contender.engine != "none"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/predict", b"{not json"),
        ("/predict", b""),
        ("/predict", b'{"text": "\xff\xfe"}'),
        ("/predict", b'{"text": "\\ud800"}'),
        ("/predict", b"[" * 50_000),
        ("/predict", b"null"),
        ("/predict", b'"text"'),
        ("/predict", b"{}"),
        ("/predict", b'{"text": null}'),
        ("/predict", b'{"text": 7}'),
        ("/predict", b'{"text": ["a"]}'),
        ("/predict", b'{"text": " "}'),
        ("/predict", b'{"text": "a", "txt": "b"}'),
        ("/predict", b'{"text": "a", "max_length": "long"}'),
        ("/predict", b'{"text": "a", "max_length": NaN}'),
        ("/predict", b'{"text": "a", "max_length": %d}' % (MAX_LENGTH_TOKENS + 1)),
        ("/predict", json.dumps({"text": "a" * (MAX_TEXT_CHARS + 1)}).encode()),
        ("/batch_predict", b'{"texts": []}'),
        ("/batch_predict", b'{"texts": "a"}'),
        ("/batch_predict", b'{"texts": ["a", " "]}'),
        ("/batch_predict", json.dumps({"texts": ["a"] * (MAX_BATCH_TEXTS + 1)}).encode()),
    ],
    ids=lambda value: str(value)[:32],
)
def test_bad_input_is_refused_with_a_reason_and_counted(
    server: Any, path: str, body: bytes
) -> None:
    client = server.client()
    before = client.counters()
    status, answer = client.send(path, body)
    after = client.counters()
    assert status == 422, answer
    assert isinstance(answer["detail"], str)
    assert len(answer["detail"]) > 10
    assert after["requests_failed"] - before["requests_failed"] == 1
    assert after["requests_ok"] == before["requests_ok"]


def test_a_head_that_does_not_end_is_refused(server: Any) -> None:
    host, port = server.address.split(":")
    with socket.create_connection((host, int(port)), 30) as caller:
        caller.sendall(b"POST /predict HTTP/1.1\r\nhost: a\r\n")
        with contextlib.suppress(ConnectionError):  # it may be refused before all of it is sent
            for _ in range(1000):
                caller.sendall(b"n: v\r\n" * 200)
        assert caller.recv(12) == b"HTTP/1.1 431"


def test_a_batch_is_answered_like_its_texts_alone(server: Any) -> None:
    client = server.client()
    alone = [client.classify(text) for text in TEXTS]
    status, answer = client.post("/batch_predict", {"texts": TEXTS})
    assert status == 200, answer
    assert [item["label"] for item in answer["predictions"]] == [a.label for a in alone]
    assert [item["confidence"] for item in answer["predictions"]] == pytest.approx(
        [a.confidence for a in alone], abs=1e-3
    )
    assert answer["latency_ms"] > 0


def test_the_largest_batch_is_answered(server: Any) -> None:
    status, answer = server.client().post("/batch_predict", {"texts": ["a"] * MAX_BATCH_TEXTS})
    assert status == 200, answer
    assert len(answer["predictions"]) == MAX_BATCH_TEXTS


def test_max_length_truncates_the_text(server: Any) -> None:
    client = server.client()
    text = "我的快递到哪里了" * 40
    _, short = client.post("/predict", {"text": text, "max_length": 8})
    _, same = client.post("/predict", {"text": text[:20], "max_length": 8})
    assert short["label"] == same["label"]
    assert short["confidence"] == pytest.approx(same["confidence"], abs=1e-3)


def test_the_answer_says_how_long_it_took(server: Any) -> None:
    _, answer = server.client().post("/predict", {"text": "a"})
    assert answer["latency_ms"] > 0


def test_counters_reconcile_with_the_requests_sent(server: Any) -> None:
    client = server.client()
    before = client.counters()
    for text in TEXTS:
        client.classify(text)
    client.post("/batch_predict", {"texts": TEXTS})
    after = client.counters()
    grown = {name: after[name] - before[name] for name in after if isinstance(after[name], int)}
    assert grown["requests_ok"] == len(TEXTS) + 1
    assert grown["requests_failed"] == 0
    if "inferences" in grown:
        assert grown["inferences"] == 2 * len(TEXTS)
    if "executions" in grown:
        assert 0 < grown["executions"] <= 2 * len(TEXTS)
    if "padded_tokens" in grown:
        assert 0 < grown["real_tokens"] <= grown["padded_tokens"]


def test_health_says_live_who_it_is_and_ready(server: Any) -> None:
    client = server.client()
    live = {"status": "live", "contender": server.started_as}
    assert client.send("/health/live") == (200, live)
    assert client.send("/health/ready") == (200, {"status": "ready"})


def test_the_connection_is_kept_for_the_next_request(server: Any) -> None:
    connection = http.client.HTTPConnection(server.address, timeout=30)
    connection.connect()
    socket = connection.sock
    for body in (b'{"text": "a"}', b"{not json", b'{"text": "b"}'):
        connection.request("POST", "/predict", body, {"content-type": "application/json"})
        connection.getresponse().read()
        assert connection.sock is socket
    connection.close()


def test_the_api_is_described(server: Any) -> None:
    status, schema = server.client().send("/openapi.json")
    assert status == 200
    assert {"/predict", "/batch_predict", "/health/live", "/health/ready", "/stats"} <= set(
        schema["paths"]
    )


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/predict", b'{"text": "a"}'),
        ("/predict", b"{not json"),
        ("/predict", b'{"text": ""}'),
        ("/predict", b" " * (MAX_BODY_BYTES + 1)),
        ("/batch_predict", b'{"texts": ["a", "b"]}'),
        ("/batch_predict", b'{"texts": [7]}'),
        ("/stats", None),
        ("/health/live", None),
        ("/health/ready", None),
    ],
    ids=lambda value: str(value)[:32],
)
def test_an_answer_is_the_one_that_the_api_describes(
    server: Any, path: str, body: bytes | None
) -> None:
    client = server.client()
    _, document = client.send("/openapi.json")

    status, answer = client.send(path, body)

    described = document["paths"][path]["get" if body is None else "post"]["responses"]
    schema = described[str(status)]["content"]["application/json"]["schema"]
    jsonschema.validate(answer, {**schema, "components": document["components"]})
    assert schema != {}
