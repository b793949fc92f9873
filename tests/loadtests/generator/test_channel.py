"""What study and Locust say to each other arrives whole, or is an error."""

import socket
from collections.abc import Iterator

import pytest

from loadtests.generator.channel import Channel, ChannelClosed


@pytest.fixture
def ends() -> Iterator[tuple[Channel, socket.socket]]:
    one, other = socket.socketpair()
    with other:
        channel = Channel(one)
        yield channel, other
        channel.close()


def test_a_message_arrives_with_its_parts_and_the_next_one_after_it(
    ends: tuple[Channel, socket.socket],
) -> None:
    channel, other = ends
    answering = Channel(other)
    answering.send({"a": 1.5, "text": "何"}, [b"\n\x00", b"", b"x" * 1000])
    answering.send({"b": [None]})
    assert channel.receive(5) == ({"a": 1.5, "text": "何"}, [b"\n\x00", b"", b"x" * 1000])
    assert channel.receive(5) == ({"b": [None]}, [])


@pytest.mark.parametrize("half", [b"", b'[{"a": 1}, [4', b'[{"a": 1}, [4]]\nabc'])
def test_the_end_of_the_other_side_is_no_message(
    half: bytes, ends: tuple[Channel, socket.socket]
) -> None:
    channel, other = ends
    other.sendall(half)
    other.shutdown(socket.SHUT_WR)
    with pytest.raises(ChannelClosed):
        channel.receive(5)


@pytest.mark.parametrize(
    "garbage", [b"\xff\xfe\n", b"hello\n", b"{}\n", b"[1]\n", b"[[], []]\n", b"[{}, [true, {}]]\n"]
)
def test_garbage_is_no_message(garbage: bytes, ends: tuple[Channel, socket.socket]) -> None:
    channel, other = ends
    other.sendall(garbage + b"\n\n")
    with pytest.raises((ValueError, TypeError)):
        channel.receive(5)


def test_silence_is_not_waited_for(ends: tuple[Channel, socket.socket]) -> None:
    with pytest.raises(TimeoutError):
        ends[0].receive(0.01)
