import asyncio
import json
from unittest.mock import Mock

import pytest

from servers.null_service.http import NullHttp, Totals

PREDICT = b'POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: 13\r\n\r\n{"text": "a"}'
STATS = b"GET /stats HTTP/1.1\r\nHost: a\r\n\r\n"


class FakeTransport(asyncio.Transport):
    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))

    def close(self) -> None:
        self.closed = True


def connect() -> tuple[NullHttp, FakeTransport, Totals]:
    totals = Totals()
    connection, transport = NullHttp(totals, Mock(), b""), FakeTransport()
    connection.connection_made(transport)
    return connection, transport, totals


def test_a_request_split_at_any_byte_is_answered_once() -> None:
    for cut in range(1, len(PREDICT)):
        connection, transport, totals = connect()
        connection.data_received(PREDICT[:cut])
        assert transport.written == []
        connection.data_received(PREDICT[cut:])
        assert totals.requests == 1
        assert b"".join(transport.written).count(b"HTTP/1.1 200 OK") == 1


def test_pipelined_requests_are_answered_in_order_in_one_write() -> None:
    connection, transport, _ = connect()
    connection.data_received(PREDICT + b"GET /nothing HTTP/1.1\r\n\r\n" + STATS)
    (written,) = transport.written
    statuses = [line for line in written.split(b"\r\n") if b"HTTP/1.1" in line]
    assert [line[line.index(b"HTTP") :] for line in statuses] == [
        b"HTTP/1.1 200 OK",
        b"HTTP/1.1 404 Not Found",
        b"HTTP/1.1 200 OK",
    ]
    assert json.loads(written.rsplit(b"\r\n\r\n", 1)[1])["requests_ok"] == 1


@pytest.mark.parametrize("n", [1, 2000])
def test_the_start_of_the_next_request_waits_for_its_rest(n: int) -> None:
    connection, transport, totals = connect()
    connection.data_received(PREDICT[:30])
    connection.data_received(PREDICT[30:] + PREDICT * n + PREDICT[:30])
    connection.data_received(PREDICT[30:])
    assert totals.requests == n + 2
    assert len(transport.written) == 2


def test_a_body_that_looks_like_a_request_is_not_one() -> None:
    body = STATS * 2
    head = b"POST /predict HTTP/1.1\r\ncontent-length: %d\r\n\r\n" % len(body)
    connection, transport, totals = connect()
    connection.data_received(head + body)
    assert totals.requests == 1
    assert b"".join(transport.written).count(b"HTTP/1.1") == 1


def test_a_batch_counts_its_texts() -> None:
    body = b'{"texts": ["a", "b", "c"]}'
    connection, transport, totals = connect()
    connection.data_received(
        b"POST /batch_predict HTTP/1.1\r\ncontent-length: %d\r\n\r\n" % len(body) + body
    )
    assert (totals.requests, totals.inferences) == (1, 3)
    answer = json.loads(transport.written[0].split(b"\r\n\r\n")[1])
    assert [item["label"] for item in answer["predictions"]] == ["null"] * 3


def test_a_head_without_end_closes_the_connection() -> None:
    connection, transport, _ = connect()
    connection.data_received(b"GET / HTTP/1.1\r\n")
    for _ in range(66):
        connection.data_received(b"x: " + b"y" * 995 + b"\r\n")
    assert transport.written[0].startswith(b"HTTP/1.1 431")
    assert transport.closed
