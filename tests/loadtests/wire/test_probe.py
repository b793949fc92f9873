"""The probe and a service that closes connections between requests, as it may."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import BinaryIO

import pytest

from loadtests.wire.address import Address
from loadtests.wire.probe import ProbeError, open_probe

ANSWER = b'{"label": "a", "confidence": 0.5}'
REPLY = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(ANSWER), ANSWER)


def read_request(stream: BinaryIO) -> None:
    head = iter(stream.readline, b"\r\n")
    lengths = [line for line in head if line.lower().startswith(b"content-length:")]
    stream.read(int(lengths[0].split(b":")[1]))


@pytest.fixture
def serving() -> Iterator[Callable[[list[list[bytes]]], Address]]:
    """A service that gives these replies on one connection after the other, and closes each."""
    threads, listeners = [], []

    def start(connections: list[list[bytes]]) -> Address:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def serve() -> None:
            with listener, suppress(OSError):  # nobody came any more
                for replies in connections:
                    connection, _ = listener.accept()
                    with connection, connection.makefile("rb") as stream:
                        for reply in replies:
                            read_request(stream)
                            connection.sendall(reply)

        threads.append(threading.Thread(target=serve))
        threads[-1].start()
        return Address("http-json", "127.0.0.1", listener.getsockname()[1])

    yield start
    for listener in listeners:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
    for thread in threads:
        thread.join()


def test_a_connection_that_the_service_closed_is_opened_again(serving) -> None:
    with open_probe(serving([[REPLY], [REPLY, REPLY]])) as probe:
        assert [probe.predict("x").label for _ in range(3)] == ["a", "a", "a"]


@pytest.mark.parametrize("connections", [[[]], [[REPLY], []]])
def test_one_that_is_closed_before_its_first_answer_is_a_failure(serving, connections) -> None:
    address = serving(connections)

    def ask() -> None:
        with open_probe(address) as probe:
            for _ in connections:
                probe.predict("x")

    with pytest.raises(ProbeError, match="expected an answer, found (Remote|Connection|Broken)"):
        ask()
