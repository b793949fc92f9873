"""One TCP connection over gevent, and the failure that the clients on top of it report."""

import select

import gevent
import gevent.hub
import gevent.monkey
import gevent.socket

RECEIVE_BYTES = 65_536
_READ, _WRITE = 1, 2  # of libev
_POLL_IN = select.POLLIN

# The standard library's own, whether or not Locust has patched them.
_plain_socket = gevent.monkey.get_original("socket", "socket")
_plain_poll = gevent.monkey.get_original("select", "poll")


class RequestFailedError(Exception):
    """status is what the record says: http_<code>, grpc_<CODE>, timeout or connection."""

    def __init__(self, status: str) -> None:
        super().__init__(status)
        self.status = status


class Connection:
    """A TCP connection. Whatever breaks it is RequestFailedError("connection").

    gevent's own socket methods cost several times the system call they make; here gevent only
    waits, and its sockets need not be patched in.
    """

    def __init__(self, host: str, port: int, timeout_s: float) -> None:
        try:
            opened = gevent.socket.create_connection((host, port), timeout_s)
        except TimeoutError as error:
            raise RequestFailedError("timeout") from error
        except OSError as error:
            raise RequestFailedError("connection") from error
        opened.setsockopt(gevent.socket.IPPROTO_TCP, gevent.socket.TCP_NODELAY, 1)
        self._socket = _plain_socket(fileno=opened.detach())
        self._socket.setblocking(False)
        self._hub = gevent.get_hub()
        self._readable = self._hub.loop.io(self._socket.fileno(), _READ)
        self._writable = self._hub.loop.io(self._socket.fileno(), _WRITE)
        self._unsent = b""
        self._poll = _plain_poll()
        self._poll.register(self._socket.fileno(), _POLL_IN)

    def send(self, content: bytes) -> None:
        """Sends content without waiting; what the network does not take yet follows by itself."""
        if self._unsent:
            self._unsent += content
            return
        sent = self._send_some(content)
        if sent < len(content):
            self._unsent = content[sent:]
            self._writable.start(self._send_rest)

    def receive(self, within_s: float | None) -> bytes:
        """The next bytes, or none where the server has closed its side.

        RequestFailedError("timeout") when nothing comes within_s (None: waits for ever).
        """
        waiter: gevent.hub.Waiter[bool] = gevent.hub.Waiter(self._hub)
        timer = None if within_s is None else self._hub.loop.timer(max(0.0, within_s))
        self._readable.start(waiter.switch, True)
        if timer:
            timer.start(waiter.switch, False)
        try:
            in_time = waiter.get()
        finally:
            self._readable.stop()
            if timer:
                timer.stop()
                timer.close()
        if not in_time:
            raise RequestFailedError("timeout")
        try:
            return bytes(self._socket.recv(RECEIVE_BYTES))
        except BlockingIOError:  # the kernel dropped what it had announced
            return self.receive(within_s)
        except OSError as error:
            raise RequestFailedError("connection") from error

    def reusable(self) -> bool:
        """Whether the next request can be sent: nothing is left to send, and the server has
        neither closed the connection nor said anything unasked."""
        return not self._unsent and not self._poll.poll(0)

    def _send_some(self, content: bytes) -> int:
        try:
            return int(self._socket.send(content))
        except BlockingIOError:
            return 0
        except OSError as error:
            raise RequestFailedError("connection") from error

    def _send_rest(self) -> None:
        try:
            self._unsent = self._unsent[self._send_some(self._unsent) :]
        except RequestFailedError:
            self._unsent = b""  # whoever receives is told of the broken connection
        if not self._unsent:
            self._writable.stop()

    def close(self) -> None:
        """Must not be called while another greenlet receives."""
        for watcher in (self._readable, self._writable):
            watcher.stop()
            watcher.close()
        self._socket.close()
