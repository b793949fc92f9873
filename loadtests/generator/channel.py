"""Messages between the study and the leading Locust process, over a pair of sockets.

Both sides use it: in Locust's process gevent has replaced the socket module by one that lets others
work while it waits.
"""

import json
import socket
from collections.abc import Mapping, Sequence
from typing import Any


class ChannelClosed(EOFError):
    """The other side has gone."""


class Channel:
    """A message is a line of JSON, which says how long the parts are that follow it."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._stream = connected.makefile("rb")

    def send(self, head: Mapping[str, Any], parts: Sequence[bytes] = ()) -> None:
        line = json.dumps([head, [len(part) for part in parts]])
        self._socket.sendall(b"".join([line.encode(), b"\n", *parts]))

    def receive(self, within_s: float | None = None) -> tuple[Mapping[str, Any], list[bytes]]:
        """The next message. ChannelClosed; TimeoutError where nothing comes for so long;
        ValueError where it is none."""
        self._socket.settimeout(within_s)
        head, lengths = json.loads(self._whole(self._stream.readline()))
        if not isinstance(head, dict):
            raise ValueError("a message without a head")
        parts = []
        for length in lengths:
            parts.append(self._stream.read(length))
            if len(parts[-1]) < length:
                raise ChannelClosed
        return head, parts

    def close(self) -> None:
        self._stream.close()
        self._socket.close()

    @staticmethod
    def _whole(line: bytes) -> bytes:
        if not line.endswith(b"\n"):
            raise ChannelClosed
        return line
