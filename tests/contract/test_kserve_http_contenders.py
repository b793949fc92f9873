"""What every contender that speaks KServe v2 over HTTP promises beyond its answers."""

import http.client
from typing import Any

from servers.contract import MODEL_NAME
from servers.discovery import Contender

INFER_PATH = f"/v2/models/{MODEL_NAME}/infer"
NO_SUCH_TENSOR = b'{"inputs":[{"name":"A","datatype":"BYTES","shape":[1,1],"data":["a"]}]}'


def applies_to(contender: Contender) -> bool:
    return contender.wire is not None


def test_server_and_model_say_they_are_ready(server: Any) -> None:
    for path in ("/v2/health/live", "/v2/health/ready", f"/v2/models/{MODEL_NAME}/ready"):
        assert _status(server, "GET", path) == 200


def test_the_servers_metadata_say_who_it_is(server: Any) -> None:
    status, metadata = server.client().send("/v2")
    assert (status, metadata["name"]) == (200, server.started_as)


def test_what_would_read_or_change_the_host_is_closed(server: Any) -> None:
    assert _status(server, "GET", "/v2/systemsharedmemory/status") == 403
    assert _status(server, "POST", "/v2/repository/index") == 403


def test_a_request_that_is_not_valid_is_refused_and_its_connection_kept(server: Any) -> None:
    connection = http.client.HTTPConnection(server.address, timeout=30)
    connection.connect()
    socket = connection.sock
    # Triton 2.51 says 500 of what is no JSON.
    for body, status in ((b"{not json", 500), (NO_SUCH_TENSOR, 400)):
        connection.request("POST", INFER_PATH, body, {"content-type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        assert answer.status == status
        assert connection.sock is socket
    connection.close()


def test_statistics_count_each_inference(server: Any) -> None:
    client = server.client()
    before = server.answered()
    for _ in range(5):
        client.classify("hello")
    assert server.has_counted(5, before)


def _status(server: Any, method: str, path: str) -> int:
    connection = http.client.HTTPConnection(server.address, timeout=30)
    connection.request(method, path, b"{}" if method == "POST" else None)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status
