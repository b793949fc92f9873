"""What stands on Triton's HTTP port: it reads each request, and passes on what cannot end Triton.

Embedded Triton 2.51 ends on a body of some 600,000 chunks, on JSON nested 120,000 deep, and on a
tensor whose shape says that it has 10 to the power of 12 elements.
"""

import http.client
import json
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from servers.contract import MAX_BODY_BYTES
from servers.http_limits import DRAIN_S
from servers.http_service import UVICORN_OPTIONS

MAX_JSON_DEPTH = 32
MAX_TARGET_BYTES = 2048
ANSWER_WITHIN_S = 60.0
"""Of one call; at most 40 wait at a time, in Starlette's threads."""

_JSON_BYTES = "inference-header-content-length"
"""Header of KServe's binary extension: how many bytes of the body are JSON, before the tensors."""
_PASSED_BACK = ("content-type", _JSON_BYTES)
_STRING_OR_BRACKET = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[\[\]{}]', re.DOTALL)
_STEPS = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}


class RefusedError(ValueError):
    """A request that Triton must not see."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@dataclass(frozen=True)
class Call:
    """One request as Triton gets it: of its headers only those that KServe v2 knows."""

    method: str
    target: str
    headers: dict[str, str]
    n_json_bytes: int | None


class TritonFront:
    """ASGI app in front of the Triton that listens on socket_path."""

    def __init__(self, socket_path: Path) -> None:
        self._socket_path = socket_path
        self._one_reads = threading.Lock()  # parsed JSON takes some thirty times its bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            call = limited_call(scope)  # before the body: what it refuses is not read
            body = await Request(scope, receive).body()
            answer = await run_in_threadpool(self._ask, call, body)
        except RefusedError as error:
            answer = JSONResponse({"error": str(error)}, error.status)
        except ClientDisconnect:
            return
        await answer(scope, receive, send)

    def _ask(self, call: Call, body: bytes) -> Response:
        with self._one_reads:
            text = checked_json(body[: call.n_json_bytes], len(body))
        headers = dict(call.headers)
        if call.n_json_bytes is not None:
            headers[_JSON_BYTES] = str(len(text))
            text += body[call.n_json_bytes :]
        triton = _UnixConnection(self._socket_path)
        try:
            triton.request(call.method, call.target, text, headers)
            found = triton.getresponse()
            headers = {name: found.headers[name] for name in _PASSED_BACK if name in found.headers}
            return Response(found.read(), found.status, headers)
        except (OSError, http.client.HTTPException) as error:
            reason = f"Triton is not available ({error or type(error).__name__}): try again later"
            return JSONResponse({"error": reason}, 503, {"retry-after": "1"})
        finally:
            triton.close()


def limited_call(scope: Scope) -> Call:
    """The call that a request's head asks for; RefusedError where it exceeds a limit."""
    given = Headers(scope=scope)
    if scope["method"] not in ("GET", "POST"):
        raise RefusedError(405, f"expected GET or POST, found {scope['method']}")
    if "transfer-encoding" in given:
        raise RefusedError(411, "expected a body with Content-Length, found Transfer-Encoding")
    if given.get("content-encoding", "identity") != "identity":
        raise RefusedError(415, "expected a plain body, found Content-Encoding")
    n_bytes = _number(given, "content-length") or 0
    if n_bytes > MAX_BODY_BYTES:
        raise RefusedError(413, f"expected at most {MAX_BODY_BYTES} bytes, found {n_bytes}")
    n_json_bytes = _number(given, _JSON_BYTES)
    if n_json_bytes is not None and n_json_bytes > n_bytes:
        raise RefusedError(400, f"expected {_JSON_BYTES} within the body, found {n_json_bytes}")
    target = scope["raw_path"] + (b"?" + scope["query_string"] if scope["query_string"] else b"")
    if len(target) > MAX_TARGET_BYTES or not re.fullmatch(rb"/[!-~]*", target):
        raise RefusedError(
            400, f"expected a path of at most {MAX_TARGET_BYTES} ASCII characters, found another"
        )
    headers = {name: given[name] for name in ("content-type",) if name in given}
    return Call(scope["method"], target.decode(), headers, n_json_bytes)


def checked_json(text: bytes, body_bytes: int) -> bytes:
    """text as Triton gets it, written anew: what was checked is what Triton reads, also where a
    name comes twice. RefusedError where it is no JSON, or says there is more than body_bytes."""
    if not text:
        return text
    if nests_too_deep(text):
        raise RefusedError(400, f"expected JSON of at most {MAX_JSON_DEPTH} levels, found more")
    try:
        given = json.loads(text.decode())
    except ValueError as error:
        raise RefusedError(400, f"expected JSON in UTF-8, found another body: {error}") from None
    tensors = given.get("inputs") if isinstance(given, dict) else None
    for tensor in tensors if isinstance(tensors, list) else ():
        if isinstance(tensor, dict) and not _is_shape(tensor.get("shape"), body_bytes):
            raise RefusedError(400, "expected a shape of as many elements as were sent, found more")
    return json.dumps(given).encode()


def _is_shape(given: object, most_elements: int) -> bool:
    """Whether each number of a shape, and their product, is one that a body can hold."""
    if not isinstance(given, list):
        return False
    n_elements = 1
    for size in given:
        if not isinstance(size, int) or size < 0:
            return False
        n_elements *= size
        if n_elements > most_elements:
            return False
    return True


def nests_too_deep(text: bytes) -> bool:
    """Whether JSON opens more than MAX_JSON_DEPTH brackets within each other; for any bytes, in
    one pass and without parsing them."""
    depth = 0
    for found in _STRING_OR_BRACKET.finditer(text):
        depth += _STEPS.get(text[found.start()], 0)
        if depth > MAX_JSON_DEPTH:
            return True
    return False


@contextmanager
def fronting(socket_path: Path, listener: socket.socket) -> Iterator[None]:
    """Serves the front on listener, from a thread of this process."""
    config = uvicorn.Config(
        TritonFront(socket_path),
        lifespan="off",
        timeout_graceful_shutdown=DRAIN_S,
        **UVICORN_OPTIONS,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(DRAIN_S + 1)


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=ANSWER_WITHIN_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def _number(headers: Headers, name: str) -> int | None:
    values = headers.getlist(name)
    if not values:
        return None
    if len(values) > 1 or not re.fullmatch("[0-9]{1,15}", values[0]):
        raise RefusedError(400, f"expected one number in {name}, found {json.dumps(values)[:100]}")
    return int(values[0])
