"""What callers of a gateway with guards get to see; Triton is played here, sockets are real."""

import http.client
import json
import socket
import time
from collections.abc import Callable
from typing import Any

import jsonschema
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from prometheus_client.parser import text_string_to_metric_families
from redis import Redis

from servers.contract import MAX_BODY_BYTES
from servers.hybrid_gateway import rate_limits
from servers.hybrid_gateway.api_keys import digest_of

from .played import SOON_S, TEXT, FakeTriton, Gateway, until

SHOP, OPERATOR = "key-of-the-shop", "key-of-the-operator"
KEYS = "\n".join(
    [
        f"shop {digest_of(SHOP.encode()).hex()} predict",
        f"operator {digest_of(OPERATOR.encode()).hex()} operations",
    ]
)
BATCH = {"texts": ["a", "b", "c"]}
Serve = Callable[..., Gateway]


@pytest.fixture
def guarded(serve_gateway: Serve) -> Gateway:
    return serve_gateway(auth="keys", keys=KEYS, problem_details=True)


def test_a_known_client_is_answered(guarded: Gateway) -> None:
    assert guarded.ask(TEXT, authorization=f"Bearer {SHOP}")[0] == 200
    assert guarded.ask(BATCH, "/batch_predict", x_api_key=SHOP)[0] == 200


@pytest.mark.parametrize("headers", [{}, {"authorization": "Basic a"}, {"x_api_key": "wrong"}])
def test_who_is_not_known_gets_401_and_is_told_how_to_say_who_he_is(
    guarded: Gateway, headers: dict[str, str]
) -> None:
    answer = guarded.fetch(TEXT, **headers)
    assert answer.status == 401
    assert answer.headers["www-authenticate"].startswith("Bearer realm=")
    assert answer.value["detail"].startswith("expected ")
    assert "wrong" not in answer.value["detail"]


@pytest.mark.parametrize(
    ("key", "path", "value", "status"),
    [
        (OPERATOR, "/predict", TEXT, 403),
        (SHOP, "/stats", None, 403),
        (OPERATOR, "/stats", None, 200),
        (SHOP, "/openapi.json", None, 403),
        (OPERATOR, "/openapi.json", None, 200),
        (SHOP, "/no/such/path", None, 403),
        (OPERATOR, "/no/such/path", None, 404),
    ],
)
def test_a_client_may_do_what_his_scopes_say(
    guarded: Gateway, key: str, path: str, value: object, status: int
) -> None:
    assert guarded.fetch(value, path, x_api_key=key).status == status


@pytest.mark.parametrize("path", ["/health/live", "/health/ready"])
def test_health_is_told_to_everybody(guarded: Gateway, path: str) -> None:
    assert guarded.fetch(path=path).status == 200


@pytest.mark.parametrize("path", ["/stats", "/docs", "/openapi.json", "/nothing", "/metrics"])
def test_nothing_else_is_told_to_a_stranger(guarded: Gateway, path: str) -> None:
    assert guarded.fetch(path=path).status == 401


def test_a_stranger_is_refused_before_he_sends_his_body(guarded: Gateway) -> None:
    head = (
        b"POST /predict HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n"
        b"expect: 100-continue\r\ncontent-length: 1000000\r\n\r\n"
    )
    with socket.create_connection(guarded.address, SOON_S) as caller:
        caller.sendall(head)
        assert caller.recv(12) == b"HTTP/1.1 401"


def test_a_connection_outlives_the_body_of_a_stranger(guarded: Gateway) -> None:
    connection = http.client.HTTPConnection(*guarded.address, timeout=SOON_S)
    body = json.dumps({"text": "a" * 200_000})
    connection.request("POST", "/predict", body)
    refused = connection.getresponse()
    refused.read()
    kept = connection.sock
    headers = {"x-api-key": SHOP, "content-type": "application/json"}
    connection.request("POST", "/predict", json.dumps(TEXT), headers)
    assert (refused.status, connection.getresponse().status) == (401, 200)
    assert connection.sock is kept


def test_a_known_client_with_too_large_a_body_gets_413(guarded: Gateway) -> None:
    answer = guarded.fetch({"text": "a" * MAX_BODY_BYTES}, x_api_key=SHOP)
    assert (answer.status, answer.value["reason"]) == (413, "too-large")


def test_more_requests_than_his_limit_are_refused_until_he_is_told(serve_gateway: Serve) -> None:
    limited = serve_gateway(auth="keys", keys=KEYS, rate_limits="2/hour")
    assert [limited.ask(TEXT, x_api_key=SHOP)[0] for _ in range(2)] == [200, 200]
    status, detail, retry_after = limited.ask(TEXT, x_api_key=SHOP)
    assert status == 429
    assert detail == "expected at most 2 requests per hour of one client, found more."
    assert retry_after is not None
    assert 1 <= int(retry_after) <= 7200


def test_without_names_an_address_has_the_limit(serve_gateway: Serve) -> None:
    limited = serve_gateway(rate_limits="1/hour")
    assert [limited.ask(TEXT)[0] for _ in range(2)] == [200, 429]
    assert limited.ask(path="/stats")[0] == 200  # only what asks the model is limited


def test_a_quota_counts_texts_and_not_requests(
    serve_gateway: Serve, played_triton: FakeTriton
) -> None:
    limited = serve_gateway(quotas="5/day", problem_details=True)
    assert limited.ask(BATCH, "/batch_predict")[0] == 200
    n_asked = played_triton.n_asked
    refused = limited.fetch(BATCH, "/batch_predict")
    assert (refused.status, refused.value["reason"]) == (429, "quota")
    assert "5 texts per day" in refused.value["detail"]
    assert played_triton.n_asked == n_asked
    assert [limited.ask(TEXT)[0] for _ in range(3)] == [200, 200, 429]


@pytest.mark.parametrize(
    ("path", "value", "headers", "status", "reason"),
    [
        ("/predict", {"text": ""}, {}, 422, "invalid"),
        ("/predict", {"txt": "a"}, {}, 422, "invalid"),
        ("/predict", TEXT, {"x_request_timeout": "soon"}, 422, "invalid"),
        ("/nothing", None, {}, 404, "unknown-path"),
        ("/predict", None, {}, 405, "unknown-method"),
        ("/predict", {"text": "a" * MAX_BODY_BYTES}, {}, 413, "too-large"),
    ],
)
def test_a_refusal_is_a_problem_document(
    serve_gateway: Serve,
    path: str,
    value: object,
    headers: dict[str, str],
    status: int,
    reason: str,
) -> None:
    gateway = serve_gateway(problem_details=True, trace_context=True)
    answer = gateway.fetch(value, path, **headers)

    assert answer.status == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert int(answer.headers["content-length"]) == len(answer.body)
    assert set(answer.value) == {"type", "title", "status", "detail", "reason", "request_id"}
    assert (answer.value["type"], answer.value["status"]) == ("about:blank", status)
    assert answer.value["reason"] == reason
    assert answer.value["request_id"] == answer.headers["x-request-id"]


def test_what_is_no_request_gets_a_problem_document_too(serve_gateway: Serve) -> None:
    gateway = serve_gateway(problem_details=True, trace_context=True)
    with socket.create_connection(gateway.address, SOON_S) as caller:
        caller.sendall(b"nonsense\r\n\r\n")
        response = http.client.HTTPResponse(caller)
        response.begin()
        value = json.loads(response.read())
    assert response.getheader("content-type") == "application/problem+json"
    assert (value["status"], value["title"]) == (400, "Bad Request")


def test_without_the_feature_a_refusal_is_the_contracts_sentence(serve_gateway: Serve) -> None:
    answer = serve_gateway().fetch({"text": ""})
    assert answer.headers["content-type"] == "application/json"
    assert set(answer.value) == {"detail"}


@pytest.mark.parametrize(
    ("value", "headers"), [(TEXT, {}), (TEXT, {"x_api_key": OPERATOR}), ({"text": ""}, None)]
)
def test_a_refusal_is_the_one_that_the_api_describes(
    guarded: Gateway, value: object, headers: dict[str, str] | None
) -> None:
    document = guarded.fetch(path="/openapi.json", x_api_key=OPERATOR).value
    answer = guarded.fetch(value, **({"x_api_key": SHOP} if headers is None else headers))

    described = document["paths"]["/predict"]["post"]["responses"][str(answer.status)]
    schema = described["content"][answer.headers["content-type"]]["schema"]
    jsonschema.validate(answer.value, {**schema, "components": document["components"]})
    assert document["paths"]["/predict"]["post"]["security"] == [{"key": []}, {"bearer": []}]


def test_a_triton_that_fails_what_it_is_asked_is_left_alone_until_it_answers(
    serve_gateway: Serve, played_triton: FakeTriton
) -> None:
    """Its canary has one row and is answered: to the pulse this Triton is well."""
    gateway = serve_gateway(breaker_failures=3, breaker_open_s=0.5, problem_details=True)
    played_triton.most_rows = 1
    try:
        failed = [gateway.fetch(BATCH, "/batch_predict").value["reason"] for _ in range(3)]
        n_asked = len([call for call in played_triton.calls if call.rows > 1])
        refused = gateway.fetch(BATCH, "/batch_predict")
        n_asked_then = len([call for call in played_triton.calls if call.rows > 1])
    finally:
        played_triton.most_rows = None

    assert failed == ["triton-unavailable"] * 3
    assert (refused.status, refused.value["reason"]) == (503, "breaker-open")
    assert refused.headers["retry-after"] == "1"
    assert n_asked_then == n_asked
    until(lambda: gateway.ask(BATCH, "/batch_predict")[0] == 200)
    assert [gateway.ask(TEXT)[0] for _ in range(3)] == [200] * 3


def test_those_beyond_the_turns_at_triton_wait_for_theirs(
    serve_gateway: Serve, played_triton: FakeTriton
) -> None:
    gateway = serve_gateway(max_at_triton=1)
    played_triton.released.clear()
    played_triton.n_asked = 0
    try:
        callers = [gateway.send(TEXT) for _ in range(3)]
        until(lambda: _sample(gateway, "inference_queue_requests") == 2.0)
        until(lambda: played_triton.n_asked > 0)
        n_asked = played_triton.n_asked
    finally:
        played_triton.released.set()
    assert n_asked == 1
    assert [caller.getresponse().status for caller in callers] == [200] * 3


def test_without_redis_requests_go_on_until_it_is_back(
    serve_gateway: Serve, real_redis: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rate_limits, "STORE_PAUSE_S", 0.05)
    gateway = serve_gateway(rate_limits="999/hour", limits_storage=real_redis.url)
    failures = "gateway_limit_store_failures_total"
    with Redis.from_url(real_redis.url) as counts:
        assert gateway.ask(TEXT)[0] == 200
        assert counts.dbsize() > 0
        assert _sample(gateway, failures) == 0.0

        real_redis.stop()
        assert [gateway.ask(TEXT)[0] for _ in range(5)] == [200] * 5
        assert (_sample(gateway, failures) or 0.0) >= 1.0

        real_redis.start()  # empty
        until(lambda: gateway.ask(TEXT)[0] == 200 and counts.dbsize() > 0)


def test_a_token_lets_its_client_in(serve_gateway: Serve) -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    public = jwt.algorithms.ECAlgorithm.to_jwk(private.public_key(), as_dict=True)
    gateway = serve_gateway(
        auth="jwt", jwks=json.dumps({"keys": [public]}), jwt_issuer="i", jwt_audience="a"
    )
    claims = {"iss": "i", "aud": "a", "sub": "shop", "scope": "predict"}

    def ask(exp_s: float, path: str = "/predict", value: object = TEXT) -> Any:
        token = jwt.encode({**claims, "exp": exp_s}, private, "ES256")
        return gateway.fetch(value, path, authorization=f"Bearer {token}")

    assert ask(time.time() + 60).status == 200
    assert ask(time.time() + 60, "/stats", None).status == 403
    expired = ask(time.time() - 60)
    assert expired.status == 401
    assert expired.value["detail"].endswith("found a token that has expired.")
    assert 'error="invalid_token"' in expired.headers["www-authenticate"]


def _sample(gateway: Gateway, name: str) -> float | None:
    text = gateway.fetch(path="/metrics").body.decode()
    families: Any = text_string_to_metric_families(text)
    found = [
        sample.value for family in families for sample in family.samples if sample.name == name
    ]
    return found[0] if found else None
