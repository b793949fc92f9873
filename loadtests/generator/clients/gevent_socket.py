"""One TCP connection on gevent's event loop."""

import contextlib
import select
import socket
from collections.abc import Callable

import gevent
import gevent.monkey
import gevent.socket

from loadtests.generator.clients.call import RequestFailedError
from loadtests.wire.client_limits import exhausted, failure_status

RECEIVE_BYTES = 65_536
_READ, _WRITE = 1, 2  # of libev
_POLL_IN = select.POLLIN

# The standard library's own, whether or not Locust has patched them: gevent's socket methods cost
# several times the system call they make, and nothing here waits.
_plain_socket = gevent.monkey.get_original("socket", "socket")
_plain_poll = gevent.monkey.get_original("select", "poll")


class Connection:
    """Opened when constructed, by a greenlet that can wait; RequestFailedError where that fails.

    on_bytes is called with what arrives, and once with nothing when the server has closed the
    connection or it broke.
    """

    def __init__(
        self, host: str, port: int, timeout_s: float, on_bytes: Callable[[bytes], None]
    ) -> None:
        try:
            opened = gevent.socket.create_connection((host, port), timeout_s)
        except TimeoutError as error:
            raise RequestFailedError("timeout") from error
        except OSError as error:
            raise RequestFailedError(failure_status(error)) from error
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = _plain_socket(fileno=opened.detach())
        self._socket.setblocking(False)
        loop = gevent.get_hub().loop
        self._on_bytes = on_bytes
        self._readable = loop.io(self._socket.fileno(), _READ)
        self._writable = loop.io(self._socket.fileno(), _WRITE)
        self.lost_as = "connection"  # what calls failed of that end with it
        self._unsent = b""
        self._closed = False
        self._poll = _plain_poll()
        self._poll.register(self._socket.fileno(), _POLL_IN)
        self._readable.start(self._receive)

    def send(self, content: bytes) -> None:
        """Sends content without waiting; what the network does not take yet follows by itself."""
        if self._unsent:
            self._unsent += content
            return
        sent = self._send_some(content)
        if sent < len(content):
            self._unsent = content[sent:]
            self._writable.start(self._send_rest)

    def reusable(self) -> bool:
        """Whether the next request can be sent: nothing is left to send, and the server has
        neither closed the connection nor said anything unasked."""
        return not (self._closed or self._unsent or self._poll.poll(0))

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        for watcher in (self._readable, self._writable):
            watcher.stop()
            watcher.close()
        self._socket.close()

    def _receive(self) -> None:
        try:
            data = self._socket.recv(RECEIVE_BYTES)
        except BlockingIOError:  # the kernel dropped what it had announced
            return
        except OSError as error:
            self.lost_as = failure_status(error)
            data = b""
        if not data:
            self._readable.stop()
        self._on_bytes(data)

    def _send_some(self, content: bytes) -> int:
        try:
            return int(self._socket.send(content))
        except BlockingIOError:
            return 0
        except OSError as error:
            if exhausted(error) is not None:  # the connection itself is well: end it
                self.lost_as = failure_status(error)
                with contextlib.suppress(OSError):
                    self._socket.shutdown(socket.SHUT_RDWR)
            return len(content)  # _receive is told of the broken connection

    def _send_rest(self) -> None:
        self._unsent = self._unsent[self._send_some(self._unsent) :]
        if not self._unsent:
            self._writable.stop()
