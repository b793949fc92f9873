"""Real sockets against a small app behind the limits that every HTTP contender shares."""

import contextlib
import http.client
import json
import socket
import threading
from collections.abc import Iterator

import pytest
import uvicorn
from fastapi import FastAPI

from servers.contract import MAX_BODY_BYTES
from servers.http_limits import PatientProtocol
from servers.http_service import (
    UVICORN_OPTIONS,
    Counters,
    PredictBody,
    add_health_and_stats,
    refuse_bad_input,
)

DEADLINE_S = 30.0
HEAD = b"POST /predict HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n"


class HurriedProtocol(PatientProtocol):
    request_within_s = 0.3


class Service:
    """An app that answers each text with itself, on a port of its own."""

    def __init__(self, protocol: type[PatientProtocol]) -> None:
        app, self.counters = FastAPI(), Counters()

        @app.post("/predict")
        async def predict(body: PredictBody) -> str:
            return body.text

        add_health_and_stats(app, "one", self.counters)
        refuse_bad_input(app)
        options = {**UVICORN_OPTIONS, "http": protocol}  # and no bound for the drain
        self._server = uvicorn.Server(uvicorn.Config(app, **options))
        listening = socket.create_server(("127.0.0.1", 0))
        self.address = listening.getsockname()
        self._thread = threading.Thread(target=self._server.run, args=([listening],))
        self._thread.start()

    def connect(self, *first: bytes) -> socket.socket:
        connection = socket.create_connection(self.address, timeout=DEADLINE_S)
        for part in first:
            connection.sendall(part)
        return connection

    def ask(self, body: object, **headers: str) -> tuple[int, str]:
        connection = http.client.HTTPConnection(*self.address, timeout=DEADLINE_S)
        given = {"content-type": "application/json", **headers}
        connection.request("POST", "/predict", body, given)  # type: ignore[arg-type]  # or chunks
        return answer_of(connection.getresponse())

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(DEADLINE_S)
        ended = not self._thread.is_alive()
        self._server.force_exit = True  # a failing test shall not hang the suite
        assert ended


def answer_of(response: http.client.HTTPResponse) -> tuple[int, str]:
    value = json.loads(response.read())
    return response.status, value["detail"] if isinstance(value, dict) else value


def answer_on(connection: socket.socket) -> tuple[int, str]:
    response = http.client.HTTPResponse(connection)
    response.begin()
    return answer_of(response)


@pytest.fixture(scope="module")
def patient() -> Iterator[Service]:
    service = Service(PatientProtocol)
    yield service
    service.stop()


@pytest.fixture(scope="module")
def hurried() -> Iterator[Service]:
    service = Service(HurriedProtocol)
    yield service
    service.stop()


def test_a_body_declared_too_large_is_refused_before_a_byte_of_it_came(patient: Service) -> None:
    before = patient.counters.snapshot().requests_failed
    connection = patient.connect(HEAD + b"content-length: 100000000\r\n\r\n")
    assert answer_on(connection) == (
        413,
        f"expected a body of at most {MAX_BODY_BYTES} bytes, found 100000000.",
    )
    assert patient.counters.snapshot().requests_failed == before + 1


@pytest.mark.parametrize("part", [b"x" * 1000, b"n: v\r\n" * 100])
def test_a_head_that_does_not_end_is_refused_once_it_is_too_large(
    patient: Service, part: bytes
) -> None:
    connection = patient.connect(HEAD)
    with contextlib.suppress(ConnectionError):  # it may be refused before all of it is sent
        for _ in range(1_000_000 // len(part)):
            connection.sendall(part)
    assert answer_on(connection)[0] == 431


def test_a_body_that_does_not_say_its_size_is_refused_once_it_is_too_large(
    patient: Service,
) -> None:
    connection = patient.connect(HEAD + b"transfer-encoding: chunked\r\n\r\n")
    chunk = b"10000\r\n" + b"[" * 65_536 + b"\r\n"
    for _ in range(MAX_BODY_BYTES // 65_536 + 1):
        connection.sendall(chunk)
    assert answer_on(connection)[0] == 413


def test_a_caller_that_sends_all_of_a_refused_body_and_closes_sees_the_answer(
    patient: Service,
) -> None:
    body = b" " * (20 * MAX_BODY_BYTES)
    head = HEAD + b"connection: close\r\ncontent-length: %d\r\n\r\n" % len(body)
    assert answer_on(patient.connect(head, body))[0] == 413


def test_a_connection_serves_on_after_a_body_that_is_not_utf_8(patient: Service) -> None:
    body = '{"text": "a"}'.encode("utf-16")
    request = HEAD + b"content-length: %d\r\n\r\n" % len(body) + body
    connection = patient.connect(request)
    assert answer_on(connection)[0] == 422
    connection.sendall(request)
    assert answer_on(connection)[0] == 422


def test_the_rest_of_a_refused_body_is_discarded_and_the_connection_serves_on(
    patient: Service,
) -> None:
    length = MAX_BODY_BYTES + 100_000
    connection = patient.connect(HEAD + b"content-length: %d\r\n\r\n" % length)
    assert answer_on(connection)[0] == 413
    connection.sendall(b"x" * length)
    connection.sendall(HEAD + b'content-length: 13\r\n\r\n{"text": "a"}')
    assert answer_on(connection) == (200, "a")


@pytest.mark.parametrize("opening", [b"[", b'{"text":'])
def test_the_deepest_nesting_that_fits_is_bad_input_and_no_fault(
    patient: Service, opening: bytes
) -> None:
    body = opening * (MAX_BODY_BYTES // len(opening))
    assert patient.ask(body)[0] == 422


def test_a_body_in_single_bytes_is_read(patient: Service) -> None:
    chunks = iter([bytes([byte]) for byte in b'{"text": "slowly"}'])
    assert patient.ask(chunks) == (200, "slowly")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_json_that_is_not_plain_utf_8_is_refused(patient: Service, encoding: str) -> None:
    status, detail = patient.ask('{"text": "a"}'.encode(encoding))
    assert status == 422
    assert detail.startswith("expected JSON in UTF-8 without a byte-order mark, found utf-")


def test_what_is_not_http_is_answered_in_json(patient: Service) -> None:
    status, detail = answer_on(patient.connect(b"NONSENSE\r\n\r\n"))
    assert (status, detail) == (400, "Invalid HTTP request received.")


@pytest.mark.parametrize(
    "part",
    [
        b"\r\n",
        b"P",
        b"POST /predict HTTP/1.1\r\nhost:",
        HEAD + b"content-length: 99\r\n\r\n",
        HEAD + b'content-length: 99\r\n\r\n{"text',
        HEAD + b"transfer-encoding: chunked\r\n\r\n1\r\n{\r\n",
    ],
)
def test_a_request_that_stalls_is_answered_and_its_connection_closed(
    hurried: Service, part: bytes
) -> None:
    connection = hurried.connect(part)
    status, detail = answer_on(connection)
    assert status == 408
    assert detail.startswith("expected a whole request within")
    assert connection.recv(1) == b""


def test_dripping_bytes_do_not_buy_time(hurried: Service) -> None:
    connection = hurried.connect(b"POST /predict HTTP/1.1\r\n")
    closed = threading.Event()

    def drip() -> None:
        while not closed.wait(0.02):
            try:
                connection.sendall(b"x: y\r\n")
            except OSError:
                return

    dripping = threading.Thread(target=drip)
    dripping.start()
    try:
        assert connection.recv(1000).startswith(b"HTTP/1.1 408")
    finally:
        closed.set()
        dripping.join()


def test_an_idle_connection_outlives_the_time_for_one_request(hurried: Service) -> None:
    whole = HEAD + b'content-length: 13\r\n\r\n{"text": "a"}'
    used, fresh = hurried.connect(whole), hurried.connect()
    assert answer_on(used) == (200, "a")
    # A stalled request that began later has been given up: so would these have been.
    assert answer_on(hurried.connect(b"P"))[0] == 408
    for connection in (used, fresh):
        connection.sendall(whole)
        assert answer_on(connection) == (200, "a")


def test_a_stalled_request_after_a_whole_one_is_given_up_too(hurried: Service) -> None:
    connection = hurried.connect(HEAD + b'content-length: 13\r\n\r\n{"text": "a"}' + HEAD)
    assert answer_on(connection) == (200, "a")
    assert answer_on(connection)[0] == 408


def test_stalled_requests_do_not_delay_the_stop() -> None:
    service = Service(PatientProtocol)
    stalled = [service.connect(HEAD) for _ in range(50)]
    stalled += [service.connect(HEAD + b"content-length: 99\r\n\r\n{")]
    stalled += [service.connect(HEAD + b"transfer-encoding: chunked\r\n\r\n1\r\n{\r\n")]
    assert service.ask(b'{"text": "a"}')[0] == 200
    service.stop()
    assert {connection.recv(1) for connection in stalled} == {b""}
