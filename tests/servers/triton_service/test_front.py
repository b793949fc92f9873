"""What the HTTP front of Triton passes on; at the end, that Triton survives what it refuses."""

import http.client
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingUnixStreamServer
from typing import Any

import pytest

from servers.contract import MAX_BODY_BYTES
from servers.triton_service.front import (
    MAX_JSON_DEPTH,
    RefusedError,
    checked_json,
    fronting,
    nests_too_deep,
)
from servers.triton_service.process import listening

INFER = "/v2/models/text_classifier/infer"
DEEP = b"[" * 120_000 + b"]" * 120_000


def tensors(shape: object, data: object = ("hi",)) -> bytes:
    tensor = {"name": "TEXT", "datatype": "BYTES", "shape": shape, "data": data}
    return json.dumps({"inputs": [tensor]}).encode()


@pytest.mark.parametrize(
    ("text", "too_deep"),
    [
        (b"[" * MAX_JSON_DEPTH + b"]" * MAX_JSON_DEPTH, False),
        (b"[" * (MAX_JSON_DEPTH + 1), True),
        (b'{"a":' * (MAX_JSON_DEPTH + 1), True),
        (b"[]" * 1000, False),
        (b'"' + b"[" * 1000 + b'"', False),
        (rb'"\"' + b"[" * 1000 + b'"', False),
        (rb'"\\"' + b"[" * 1000, True),
        (b'"' * 100_001 + b"[" * 1000, False),  # in a string that does not end, so never read
    ],
)
def test_depth_counts_the_brackets_that_are_open_outside_strings(
    text: bytes, too_deep: bool
) -> None:
    assert nests_too_deep(text) is too_deep


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (DEEP, "levels"),
        (tensors([1, 10**12]), "a shape of as many elements as were sent"),
        (tensors([10**6, 10**6]), "a shape of as many elements as were sent"),
        (tensors([1, -1]), "a shape of as many elements as were sent"),
        (tensors(None), "a shape of as many elements as were sent"),
        (b"\xff", "expected JSON in UTF-8"),
        (b"\xef\xbb\xbf{}", "expected JSON in UTF-8"),
        (b"{", "expected JSON in UTF-8"),
        (b"1" * 10_000, "expected JSON in UTF-8"),
    ],
)
def test_json_that_could_end_triton_or_is_none_is_refused(text: bytes, problem: str) -> None:
    with pytest.raises(RefusedError, match=problem):
        checked_json(text, len(text))


def test_triton_reads_a_name_that_comes_twice_as_it_was_checked() -> None:
    twice = tensors([1, 1]).replace(b'"shape"', b'"shape": [1, 1000000000000], "shape"')
    assert json.loads(checked_json(twice, 100)) == json.loads(tensors([1, 1]))
    assert b"1000000000000" not in checked_json(twice, 100)


class FakeTriton(BaseHTTPRequestHandler):
    """Answers with what it was asked."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        seen = {"path": self.path, "headers": dict(self.headers), "body": body.decode("latin-1")}
        answer = json.dumps(seen).encode()
        self.send_response(207)
        self.send_header("content-length", str(len(answer)))
        self.send_header("inference-header-content-length", "7")
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST

    def log_message(self, *_: object) -> None:
        pass

    def address_string(self) -> str:
        return "a Unix socket"


@contextmanager
def front(socket_path: Path) -> Iterator[http.client.HTTPConnection]:
    with listening("127.0.0.1", 0) as listener, fronting(socket_path, listener):
        connection = http.client.HTTPConnection(*listener.getsockname(), timeout=20)
        yield connection
        connection.close()


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    path = tmp_path_factory.mktemp("triton") / "http.socket"
    with ThreadingUnixStreamServer(str(path), FakeTriton) as triton, front(path) as connection:
        threading.Thread(target=triton.serve_forever, args=(0.05,), daemon=True).start()

        def ask(body: bytes = b"", target: str = INFER, **headers: str) -> Any:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request("POST", target, body, named)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read()), answer.headers

        yield ask
        triton.shutdown()


def test_a_request_reaches_triton_with_the_headers_of_its_protocol_alone(ask: Any) -> None:
    body = tensors([1, 1]) + b"\2\0\0\0hi"
    status, seen, headers = ask(
        body,
        INFER + "?a=%5B",
        inference_header_content_length=str(len(tensors([1, 1]))),
        content_type="application/octet-stream",
        closed="key",
        accept_encoding="gzip",
    )

    assert (status, headers["inference-header-content-length"]) == (207, "7")
    assert (seen["path"], seen["body"]) == (INFER + "?a=%5B", body.decode("latin-1"))
    found = {name.lower(): value for name, value in seen["headers"].items()}
    assert found.pop("content-length") == str(len(body))
    assert found == {
        "host": "localhost",
        "accept-encoding": "identity",
        "content-type": "application/octet-stream",
        "inference-header-content-length": str(len(tensors([1, 1]))),
    }


def test_of_a_raw_body_no_json_is_asked(ask: Any) -> None:
    status, seen, _ = ask(b"\xff[[", inference_header_content_length="0")
    assert (status, seen["body"]) == (207, "\xff[[")


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ({"body": b"[", "content_encoding": "gzip"}, 415),
        ({"body": b"x" * (MAX_BODY_BYTES + 1)}, 413),
        ({"body": DEEP}, 400),
        ({"body": b"{}", "inference_header_content_length": "3"}, 400),
        ({"body": b"{}", "inference_header_content_length": "-1"}, 400),
        ({"target": "/" + "x" * 3000}, 400),
    ],
)
def test_what_exceeds_a_limit_is_refused_in_the_form_of_the_protocol(
    ask: Any, request_: dict[str, Any], status: int
) -> None:
    found, answer, _ = ask(**request_)
    assert (found, list(answer)) == (status, ["error"])
    assert answer["error"].startswith("expected ")


def test_a_body_in_chunks_is_refused_at_its_head(ask: Any) -> None:
    assert ask(iter([b"{}"]))[0] == 411


def test_without_triton_a_request_is_answered_at_once_with_when_to_come_back(
    tmp_path: Path,
) -> None:
    with front(tmp_path / "nobody.socket") as connection:
        connection.request("GET", "/v2/health/ready")
        answer = connection.getresponse()
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")
        assert "Triton is not available" in json.loads(answer.read())["error"]


@pytest.mark.live
def test_triton_answers_through_its_front_and_survives_what_would_end_it(
    triton: Any, client: Any
) -> None:
    port = triton.ports.extra["http"]

    def status(method: str, target: str, body: Any = None, **headers: str) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        connection.request(method, target, body, headers)
        answer = connection.getresponse()
        answer.read()
        connection.close()
        return answer.status

    assert status("POST", INFER, tensors([1, 1])) == 200
    assert status("GET", "/v2/models/classifier/stats") == 200
    assert status("GET", "/v2/systemsharedmemory/status") == 403
    assert status("POST", "/v2/repository/index", b"{}") == 403
    shape = [{"name": n, "datatype": "INT64", "shape": [1, 10**12], "data": [1]} for n in "ab"]
    huge = json.dumps({"inputs": shape}).encode()
    assert status("POST", "/v2/models/classifier/infer", huge) == 400
    assert status("POST", INFER, DEEP) == 400
    assert _status_of_many_chunks(port) == b"411"
    assert client.send(["still there"]).result()


def _status_of_many_chunks(port: int) -> bytes:
    """The answer to a body in more chunks than Triton survives, sent whole."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        head = f"POST {INFER} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
        connection.sendall(head.encode() + b"1\r\na\r\n" * 600_000 + b"0\r\n\r\n")
        return connection.recv(12)[9:]
