"""When waiting for a contender ends: by the rule alone, and before real servers."""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import grpc
import psutil
import pytest

from loadtests.launch import readiness
from loadtests.launch import server as launch
from loadtests.launch.readiness import Patience
from loadtests.launch.server import LaunchError, Ports, RunningServer
from loadtests.wire.address import Address
from loadtests.wire.probe import ProbeError, open_probe
from servers.discovery import discover


def _first_end(failures: list[tuple[float, bool]], within_s: float = 300.0) -> tuple[float, str]:
    """When, on a clock that starts at 1000 s, and why it is waited no longer."""
    patience = Patience(within_s, 1000.0)
    for now_s, definite in failures:
        ended = patience.ends(definite, 1000.0 + now_s)
        if ended:
            return now_s, ended
    raise AssertionError("it is still waited for")


def test_nothing_but_definite_refusals_end_the_wait_after_20_s() -> None:
    refusals = [(5.0 + second, True) for second in range(100)]
    assert _first_end(refusals) == (25.0, "refused every canary inference for 20 s")


def test_what_may_pass_is_waited_for_to_the_limit() -> None:
    ended_s, why = _first_end([(float(second), False) for second in range(400)])
    assert (ended_s, why) == (301.0, "did not answer a canary inference within 300 s")


def test_one_failure_that_may_pass_begins_the_count_anew() -> None:
    failures = [(float(second), second != 15) for second in range(100)]
    assert _first_end(failures)[0] == 36.0


def test_a_limit_below_20_s_holds_for_definite_refusals_too() -> None:
    assert _first_end([(float(k), True) for k in range(9)], within_s=5.0)[0] == 6.0


@pytest.fixture
def http_service() -> Iterator[Callable[[int, bytes], Address]]:
    """Starts a service with one answer to every request."""
    running: list[HTTPServer] = []

    def start(status: int, body: bytes) -> Address:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["content-length"]))
                self.send_response(status)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        running.append(HTTPServer(("127.0.0.1", 0), Handler))
        threading.Thread(target=running[-1].serve_forever, args=(0.05,), daemon=True).start()
        return Address("http-json", "127.0.0.1", running[-1].server_port)

    yield start
    for service in running:
        service.shutdown()
        service.server_close()


def _failure(address: Address) -> ProbeError:
    with pytest.raises(ProbeError) as failed, open_probe(address, timeout_s=5) as probe:
        probe.predict("hello")
    return failed.value


@pytest.mark.parametrize(
    ("status", "body", "definite"),
    [
        (500, b"broken", True),
        (404, b"no such path", True),
        (401, b"who are you", True),
        (200, b"no JSON", True),
        (503, b"loading", False),
        (429, b"later", False),
    ],
)
def test_an_answer_that_will_not_change_is_definite(
    http_service: Callable[[int, bytes], Address], status: int, body: bytes, definite: bool
) -> None:
    assert _failure(http_service(status, body)).definite is definite


def test_a_refused_connection_is_not_definite() -> None:
    port = launch.free_ports([]).main
    assert not _failure(Address("http-json", "127.0.0.1", port)).definite
    assert not _failure(Address("kserve-grpc", "127.0.0.1", port)).definite


def test_a_grpc_server_without_the_method_is_a_definite_refusal() -> None:
    server = grpc.server(ThreadPoolExecutor(1))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        failure = _failure(Address("kserve-grpc", "127.0.0.1", port))
    finally:
        server.stop(None)
    assert failure.definite
    assert "UNIMPLEMENTED" in str(failure)


def test_a_server_that_refuses_every_canary_is_given_up_with_its_answer(
    http_service: Callable[[int, bytes], Address],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(readiness, "GIVE_UP_AFTER_S", 0.3)
    address = http_service(500, b"the labels are missing")
    log = tmp_path / "log"
    log.write_text("KeyError: 'id2label'\n")
    process = psutil.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    server = RunningServer(discover()["fastapi"], address, Ports(address.port, {}), process, log)
    try:
        with pytest.raises(LaunchError, match=r"fastapi refused every .* for 0\.3 s") as given_up:
            launch._wait_until_ready(server, process, within_s=300)
    finally:
        process.communicate(b"\n")
    assert "found 500: the labels are missing" in str(given_up.value)
    assert given_up.value.log_tail == ("KeyError: 'id2label'",)
