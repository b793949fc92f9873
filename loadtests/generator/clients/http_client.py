"""A lean HTTP/1.1 client: one prepared POST, kept-alive connections, no retries."""

import time
from collections.abc import Mapping

import gevent

from loadtests.generator.clients.call import Call, LeanClient, RequestFailedError
from loadtests.generator.clients.gevent_socket import Connection
from loadtests.generator.clients.http_reply import ReplyReader


class HttpClient(LeanClient):
    """POSTs bodies to one path of one server.

    A pooled connection that the server has closed is noticed before anything is sent on it; once
    a byte is out a request is never sent again. Any status but 200 is a failure.
    """

    def __init__(
        self, host: str, port: int, timeout_s: float, path: str, headers: Mapping[str, str]
    ) -> None:
        super().__init__(host, port, timeout_s)
        sent = {"content-type": "application/json", **headers}
        lines = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
        self._head = (
            f"POST {path} HTTP/1.1\r\nhost: {host}:{port}\r\n{lines}content-length: "
        ).encode("latin-1")
        self.idle: list[_Lane] = []

    def begin(self, call: Call) -> None:
        while self.idle:
            lane = self.idle.pop()  # the one used last: the least likely to be closed
            if lane.connection.reusable():
                lane.carry(call, self._content(call))
                return
            lane.connection.close()
        gevent.spawn(self._open_for, call)

    def give_up(self, call: Call) -> None:
        if isinstance(call.carrier, _Lane):
            call.carrier.connection.close()

    def close(self) -> None:
        super().close()
        while self.idle:
            self.idle.pop().connection.close()

    def _open_for(self, call: Call) -> None:
        try:
            lane = _Lane(self, max(0.001, call.until_s - time.monotonic()))
        except RequestFailedError as error:
            call.finish(error)
            return
        if call.open:
            lane.carry(call, self._content(call))
        else:
            self.idle.append(lane)

    def _content(self, call: Call) -> bytes:
        return b"%b%d\r\n\r\n%b" % (self._head, len(call.body), call.body)


class _Lane:
    """A connection and the call that it carries, if any."""

    def __init__(self, client: HttpClient, timeout_s: float) -> None:
        self._client = client
        self._call: Call | None = None
        self._replies = ReplyReader()
        self.connection = Connection(client.host, client.port, timeout_s, self._on_bytes)

    def carry(self, call: Call, content: bytes) -> None:
        call.carrier = self
        self._call = call
        self.connection.send(content)

    def _on_bytes(self, data: bytes) -> None:
        call = self._call
        if call is None:
            self.connection.close()  # closed by the server, or something unasked
            return
        try:
            reply = self._replies.feed(data)
        except ValueError:
            self.connection.close()
            call.finish(RequestFailedError(self.connection.lost_as))
            return
        if reply is None:
            return
        self._call = None
        if reply.keep_alive:
            self._client.idle.append(self)
        else:
            self.connection.close()
        ok = reply.status == 200
        call.finish(reply.body if ok else RequestFailedError(f"http_{reply.status}"))
