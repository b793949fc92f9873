"""What an operator sees of requests: log lines, metrics, and Triton's side of a trace."""

import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from servers.hybrid_gateway.access_log import LOGGER, JsonFormatter
from servers.hybrid_gateway.api_keys import digest_of

from .played import TEXT, FakeTriton, Gateway, reset, until

Serve = Callable[..., Gateway]
KEY = "a-key-that-nobody-may-see"
KEYS = f"shop {digest_of(KEY.encode()).hex()} predict,operations"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


class Lines(logging.Handler):
    """What is written to the log, a line each."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[str] = []
        self.setFormatter(JsonFormatter())

    def emit(self, record: logging.LogRecord) -> None:
        line = self.format(record)
        if '"/health/ready"' not in line:  # whoever waited for the gateway's start may be late
            self.written.append(line)

    def last(self) -> dict[str, Any]:
        until(lambda: bool(self.written))  # it is written when the answer has gone
        said: dict[str, Any] = json.loads(self.written[-1])
        return said


@pytest.fixture
def logged(serve_gateway: Serve) -> Gateway:
    return serve_gateway(auth="keys", keys=KEYS, access_log=True, trace_context=True)


@pytest.fixture
def lines(logged: Gateway) -> Iterator[Lines]:
    handler = Lines()
    logger = logging.getLogger(LOGGER)
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)


def test_a_request_is_a_line_that_says_whose_it_was_and_how_it_ended(
    logged: Gateway, lines: Lines
) -> None:
    answer = logged.fetch(TEXT, x_api_key=KEY, traceparent=PARENT)
    said = lines.last()
    assert said["event"] == "request"
    assert (said["method"], said["path"], said["status"]) == ("POST", "/predict", 200)
    assert (said["client"], said["trace_id"]) == ("shop", TRACE)
    assert said["request_id"] == answer.headers["x-request-id"]
    assert said["duration_ms"] > 0
    assert "reason" not in said
    assert said["time"].endswith("Z")


def test_neither_texts_nor_keys_nor_strange_paths_are_written(
    logged: Gateway, lines: Lines
) -> None:
    secret = "my-secret-text"
    logged.fetch({"text": secret}, x_api_key=KEY)
    logged.fetch({"text": secret, secret: 1}, x_api_key=KEY)
    logged.fetch({"text": secret}, x_api_key=secret)
    logged.fetch({"text": "a"}, f"/predict?text={secret}", authorization=f"Bearer {KEY}")
    logged.fetch(path=f"/{secret}", x_api_key=KEY)
    until(lambda: len(lines.written) == 5)
    assert secret not in "".join(lines.written)
    assert KEY not in "".join(lines.written)
    assert [json.loads(line)["path"] for line in lines.written][-1] == "other"


@pytest.mark.parametrize(
    ("value", "key", "status", "reason"),
    [({"text": ""}, KEY, 422, "invalid"), (TEXT, "wrong", 401, "unauthenticated")],
)
def test_a_refusal_is_logged_with_its_reason(
    logged: Gateway, lines: Lines, value: object, key: str, status: int, reason: str
) -> None:
    logged.fetch(value, x_api_key=key)
    said = lines.last()
    assert (said["status"], said["reason"]) == (status, reason)


def test_a_caller_who_goes_away_is_logged_as_such(
    logged: Gateway, lines: Lines, played_triton: FakeTriton
) -> None:
    played_triton.released.clear()
    played_triton.n_asked = 0
    try:
        connection = logged.send(TEXT, x_api_key=KEY)
        until(lambda: played_triton.n_asked == 1)
        reset(connection)
        assert lines.last()["reason"] == "caller-gone"
    finally:
        played_triton.released.set()


def test_an_exception_is_logged_by_its_kind_and_place_and_not_by_its_words() -> None:
    try:
        raise ValueError("cannot read 'my secret text'")
    except ValueError:
        logger = logging.getLogger("a")
        record = logger.makeRecord("a", logging.ERROR, __file__, 1, "failed", (), _exc_info())
    line = JsonFormatter().format(record)
    said = json.loads(line)
    assert (said["event"], said["level"], said["exception"]) == ("failed", "error", "ValueError")
    assert "test_watching.py" in said["at"][-1]
    assert "secret" not in line


def _exc_info() -> Any:
    import sys

    return sys.exc_info()


def test_triton_is_told_of_the_trace_and_the_request(
    logged: Gateway, played_triton: FakeTriton
) -> None:
    logged.fetch(TEXT, x_api_key=KEY, traceparent=PARENT, tracestate="a=1", x_request_id="order-17")
    asked = played_triton.calls[-1]
    assert asked.request_id == "order-17"
    assert asked.metadata["x-request-id"] == "order-17"
    assert asked.metadata["tracestate"] == "a=1"
    version, trace_id, span_id, flags = asked.metadata["traceparent"].split("-")
    assert (version, trace_id, flags) == ("00", TRACE, "01")
    assert span_id != "00f067aa0ba902b7"


def test_all_parts_of_a_batch_belong_to_one_trace(
    logged: Gateway, played_triton: FakeTriton
) -> None:
    played_triton.calls.clear()
    logged.fetch({"texts": ["a"] * 64}, "/batch_predict", x_api_key=KEY, x_request_id="b")
    assert [call.rows for call in played_triton.calls] == [32, 32]
    assert len({call.metadata["traceparent"] for call in played_triton.calls}) == 1


def test_without_the_feature_triton_is_told_nothing(
    serve_gateway: Serve, played_triton: FakeTriton
) -> None:
    answer = serve_gateway().fetch(TEXT, traceparent=PARENT, x_request_id="order-17")
    asked = played_triton.calls[-1]
    assert asked.request_id == ""
    assert "traceparent" not in asked.metadata
    assert "x-request-id" not in answer.headers


@pytest.fixture
def measured(serve_gateway: Serve) -> Gateway:
    return serve_gateway()


def samples(gateway: Gateway) -> dict[tuple[str, ...], float]:
    """By name and label values."""
    text = gateway.fetch(path="/metrics").body.decode()
    return {
        (sample.name, *(v for k, v in sample.labels.items() if k != "contender")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def grown(gateway: Gateway, before: dict[tuple[str, ...], float], *key: str) -> float:
    return samples(gateway).get(key, 0.0) - before.get(key, 0.0)


def test_durations_are_counted_by_path_and_status(measured: Gateway) -> None:
    before = samples(measured)
    measured.fetch(TEXT)
    measured.fetch({"text": ""})
    duration = "http_server_request_duration_seconds"
    count, total = f"{duration}_count", f"{duration}_sum"
    until(lambda: grown(measured, before, count, "422", "/predict") == 1)
    assert grown(measured, before, count, "200", "/predict") == 1
    assert 0 < grown(measured, before, total, "200", "/predict") < 60
    assert grown(measured, before, "gateway_triton_duration_seconds_count") == 1
    assert grown(measured, before, "http_server_request_errors_total", "invalid") == 1


def test_a_strange_path_makes_no_series_of_its_own(measured: Gateway) -> None:
    measured.fetch(path="/my-secret")
    names = {key for series in samples(measured) for key in series}
    assert "other" in names
    assert "/my-secret" not in names


def test_what_is_under_way_is_a_gauge(measured: Gateway, played_triton: FakeTriton) -> None:
    key = ("http_server_in_flight_requests",)
    played_triton.released.clear()
    try:
        callers = [measured.send(TEXT) for _ in range(3)]
        until(lambda: samples(measured)[key] == 3)
    finally:
        played_triton.released.set()
    assert [caller.getresponse().status for caller in callers] == [200] * 3
    until(lambda: samples(measured)[key] == 0)


def test_more_than_fit_are_counted_as_such(measured: Gateway, played_triton: FakeTriton) -> None:
    before = samples(measured)
    played_triton.released.clear()
    try:
        callers = [measured.send(TEXT) for _ in range(4)]
        until(lambda: samples(measured)["http_server_in_flight_requests",] == 4)
        assert measured.fetch(TEXT).status == 503
    finally:
        played_triton.released.set()
    assert {caller.getresponse().status for caller in callers} == {200}
    until(lambda: grown(measured, before, "http_server_request_errors_total", "full") == 1)
