"""What the servers without a model take from a stranger, on real sockets."""

import asyncio
import json
import re
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from servers import raw_http
from servers.contract import MAX_BODY_BYTES
from servers.discovery import discover
from servers.null_service.http import NullHttp, Totals
from servers.simulated_service.http import LawHttp
from servers.simulated_service.law import Law
from servers.simulated_service.service import SimulatedService

MakeProtocol = Callable[[asyncio.AbstractEventLoop], asyncio.Protocol]
Caller = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, bytes]]
PREDICT = b'POST /predict HTTP/1.1\r\ncontent-length: 13\r\n\r\n{"text": "a"}'


def null_protocol(loop: asyncio.AbstractEventLoop) -> asyncio.Protocol:
    return NullHttp(Totals(), loop, b"")


def law_protocol(loop: asyncio.AbstractEventLoop) -> asyncio.Protocol:
    law = Law.from_options(discover()["simulated"].options)
    return LawHttp(SimulatedService(law, loop), law.answer, loop, b"")


@pytest.fixture(params=[null_protocol, law_protocol], ids=["null", "law"])
def ask(request: pytest.FixtureRequest) -> Callable[[Caller], bytes]:
    """Calls a server of one protocol with a caller of the test's."""

    async def run(caller: Caller) -> bytes:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: request.param(loop), "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        try:
            return await asyncio.wait_for(caller(reader, writer), 10)
        finally:
            writer.close()
            server.close()

    return lambda caller: asyncio.run(run(caller))


def sending(data: bytes) -> Caller:
    async def caller(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        writer.write(data)
        return await reader.read()

    return caller


def batch(body: bytes) -> Caller:
    """Sends one batch and returns the whole answer to it."""

    async def caller(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        writer.write(b"POST /batch_predict HTTP/1.1\r\ncontent-length: %d\r\n\r\n" % len(body))
        writer.write(body)
        head = await reader.readuntil(b"\r\n\r\n")
        return head + await reader.readexactly(int(head.split(b"content-length: ")[1]))

    return caller


CHUNKED = b"POST /predict HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n"
LARGE = b"x" * (MAX_BODY_BYTES + 1)


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"POST /predict HTTP/1.1\r\ncontent-length: %d\r\n\r\n%b" % (len(LARGE), LARGE), b"413"),
        (CHUNKED + b"%x\r\n%b" % (len(LARGE), LARGE), b"413"),
        (b"POST /predict HTTP/1.1\r\ncontent-length: -3\r\n\r\n", b"400"),
        (b"SSH-2.0-x\r\n", b"400"),
        (PREDICT.replace(b"HTTP/1.1", b"HTTP/1.1\r\nconnection: upgrade\r\nupgrade: h2c"), b"400"),
        (b"CONNECT x:1 HTTP/1.1\r\n\r\n", b"400"),
    ],
    ids=["length", "chunks", "no length", "not HTTP", "another protocol", "a tunnel"],
)
def test_what_is_no_request_or_too_large_is_refused_after_the_answers_before_it(
    ask, request_: bytes, status: bytes
) -> None:
    answers = ask(sending(PREDICT + request_))

    assert re.findall(rb"HTTP/1.1 (\d+)", answers) == [b"200", status]


def test_a_body_in_chunks_is_read(ask) -> None:
    chunks = CHUNKED + b"5\r\nhello\r\n0\r\n\r\n"

    answers = ask(sending(chunks + b"no request"))

    assert re.findall(rb"HTTP/1.1 (\d+)", answers) == [b"200", b"400"]


@pytest.mark.parametrize(
    "part",
    [PREDICT[:10], PREDICT[:-1], PREDICT + PREDICT[:10]],
    ids=["head", "body", "second request"],
)
def test_a_request_that_does_not_end_in_time_ends_its_connection(
    ask, monkeypatch: pytest.MonkeyPatch, part: bytes
) -> None:
    monkeypatch.setattr(raw_http, "ARRIVES_WITHIN_S", 0.1)

    assert ask(sending(part)).count(b"HTTP/1.1 200 OK") == part.count(PREDICT)


def test_a_connection_between_two_requests_stays(ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(raw_http, "ARRIVES_WITHIN_S", 0.05)

    async def caller(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        answers = b""
        for part in (PREDICT[:10], PREDICT[10:], PREDICT):
            writer.write(part)
            if part.endswith(b"}"):
                answers += await reader.readuntil(b"}")
                await asyncio.sleep(0.2)
        return answers

    assert ask(caller).count(b"HTTP/1.1 200 OK") == 2


@pytest.mark.parametrize(
    "body",
    [
        b'{"texts": ' + b"[" * 100_000,
        b'{"texts": "abc"}',
        b'{"texts": []}',
        json.dumps({"texts": ["a"] * 65}).encode(),
        b"[" * 100_000,
        b"\xff",
    ],
    ids=["nested", "no list", "empty", "65 texts", "only brackets", "no UTF-8"],
)
def test_what_is_no_batch_is_refused_in_a_sentence_and_the_connection_stays(
    ask, body: bytes
) -> None:
    async def caller(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        refused = await batch(body)(reader, writer)
        return refused + await batch(b'{"texts": ["a"]}')(reader, writer)

    refused, answered = ask(caller).split(b"HTTP/1.1 ")[1:]

    assert refused.startswith(b"422 ")
    assert isinstance(json.loads(refused.split(b"\r\n\r\n")[1])["detail"], str)
    assert answered.startswith(b"200 ")
