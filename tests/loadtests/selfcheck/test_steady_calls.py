"""The light load of the fault table, and when a fault is over."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from loadtests.selfcheck.steady_calls import Call, SteadyCalls, recovered_s
from loadtests.wire.address import Address


def calls(*statuses: str, every_s: float = 0.5) -> list[Call]:
    return [Call(k * every_s, 0.01, status) for k, status in enumerate(statuses)]


OK = ["200"] * 8


def test_a_fault_that_nobody_saw_is_over_at_once() -> None:
    assert recovered_s(calls(*OK), 0.0) == 0.0


def test_it_is_over_with_the_first_call_after_the_last_that_failed() -> None:
    assert recovered_s(calls("200", "503", "200", "timeout", *OK), 0.0) == 2.0
    assert recovered_s(calls("503", "503", *OK), 0.5) == 0.5


def test_calls_before_its_end_do_not_count() -> None:
    assert recovered_s(calls("503", "503", *OK), 1.0) == 0.0


@pytest.mark.parametrize("after", [[], ["200"], ["200"] * 4])
def test_without_two_seconds_of_answers_it_is_not_over(after: list[str]) -> None:
    assert recovered_s(calls("200", "503", *after), 0.0) is None


class _Server(BaseHTTPRequestHandler):
    n_seen = 0

    def do_POST(self) -> None:
        type(self).n_seen += 1
        body = self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200 if json.loads(body) == {"text": "a"} else 422)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing is printed."""


class _Listener(ThreadingHTTPServer):
    request_queue_size = 128  # a burst comes at once


@pytest.fixture
def address() -> Iterator[Address]:
    server = _Listener(("127.0.0.1", 0), _Server)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield Address("http-json", "127.0.0.1", server.server_port)
    server.shutdown()
    thread.join()
    server.server_close()


def test_every_call_is_kept_with_what_its_caller_saw(address: Address) -> None:
    with SteadyCalls(address, b'{"text": "a"}', 200.0) as load:
        load.burst(20)
        while len(load.calls) < 60:
            threading.Event().wait(0.005)
    assert {call.status for call in load.calls} == {"200"}
    assert len(load.calls) == _Server.n_seen


def test_a_server_that_is_gone_is_a_call_that_failed(address: Address) -> None:
    nobody = Address("http-json", "127.0.0.1", 9)
    with SteadyCalls(nobody, b"{}", 100.0) as load:
        while not load.calls:
            threading.Event().wait(0.005)
    assert {call.status for call in load.calls} == {"ConnectionRefusedError"}
