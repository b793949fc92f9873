"""Reads the replies of one HTTP/1.1 connection."""

from typing import NamedTuple

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

MAX_HEAD_BYTES = 65_536
"""Of all that comes before a body, provisional replies (1xx) included."""


class Reply(NamedTuple):
    """keep_alive: whether the next request may use the same connection."""

    status: int
    keep_alive: bool
    body: bytes


class ReplyReader:
    """Reads one reply after another. httptools calls the methods named on_*."""

    def __init__(self) -> None:
        self._parser = HttpResponseParser(self)
        self._expect_reply()

    def _expect_reply(self) -> None:
        self._reply: Reply | None = None
        self._body: list[bytes] = []
        self._head_bytes = 0
        self._until_close = self._framed = False

    def feed(self, data: bytes) -> Reply | None:
        """The reply that data completes; None where more must come.

        Empty data means that the server has closed the connection. ValueError for what is not
        HTTP/1, or ended early.
        """
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            if self._reply is None:
                raise ValueError("expected an HTTP/1 reply, found something else") from error
            self._reply = self._reply._replace(keep_alive=False)
        if not data and self._until_close:
            self.on_message_complete()
        reply = self._reply
        if reply is not None:
            self._expect_reply()
        elif not data:
            raise ValueError("expected the rest of the reply, found it closed")
        elif not self._body:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                raise ValueError(f"expected a head of at most {MAX_HEAD_BYTES} bytes")
        return reply

    def on_message_begin(self) -> None:
        self._until_close = self._framed = False
        if self._reply is not None:  # more than was asked for
            self._reply = self._reply._replace(keep_alive=False)

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        if name == b"content-length":
            self._framed = True
        elif name == b"transfer-encoding":
            self._framed = value.lower().rstrip().endswith(b"chunked")

    def on_headers_complete(self) -> None:
        self._until_close = not self._framed

    def on_body(self, piece: bytes) -> None:
        self._body.append(piece)

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        if status >= 200 and self._reply is None:
            keep_alive = self._parser.should_keep_alive()
            self._reply = Reply(status, keep_alive, b"".join(self._body))
