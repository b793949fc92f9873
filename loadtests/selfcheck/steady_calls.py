"""A light, steady load from threads, with what each caller saw."""

import http.client
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from loadtests.wire.address import Address
from loadtests.wire.formats import HTTP_PATH

CALLERS = 256
TIMEOUT_S = 10.0


@dataclass(frozen=True)
class Call:
    """due_s: after the load began; status: of HTTP, or the name of an error."""

    due_s: float
    took_s: float
    status: str


@dataclass
class SteadyCalls:
    """The same body at a fixed rate from a thread of its own each, until it is closed. A caller
    that waits does not keep the next one from asking."""

    address: Address
    body: bytes
    rate_rps: float
    headers: dict[str, str] = field(default_factory=dict)
    path: str = HTTP_PATH
    calls: list[Call] = field(default_factory=list)
    began_s: float = 0.0

    def __enter__(self) -> "SteadyCalls":
        self._end = threading.Event()
        self._pool = ThreadPoolExecutor(CALLERS)
        self._clock = threading.Thread(target=self._send_all, daemon=True)
        self.began_s = time.monotonic()
        self._clock.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._clock.join()
        self._pool.shutdown()

    def now_s(self) -> float:
        return time.monotonic() - self.began_s

    def burst(self, n: int) -> None:
        """n calls at once, beside the steady ones."""
        for _ in range(n):
            self._pool.submit(self._call, self.now_s())

    def _send_all(self) -> None:
        number = 0
        while not self._end.is_set():
            due_s = number / self.rate_rps
            wait_s = due_s - self.now_s()
            if wait_s > 0 and self._end.wait(wait_s):
                return
            self._pool.submit(self._call, due_s)
            number += 1

    def _call(self, due_s: float) -> None:
        try:
            connection = http.client.HTTPConnection(
                self.address.host, self.address.port, timeout=TIMEOUT_S
            )
            headers = {"content-type": "application/json", **self.headers}
            connection.request("POST", self.path, self.body, headers)
            status = str(connection.getresponse().status)
            connection.close()
        except (OSError, http.client.HTTPException) as error:
            status = type(error).__name__
        self.calls.append(Call(due_s, self.now_s() - due_s, status))


def recovered_s(calls: Sequence[Call], since_s: float, quiet_s: float = 2.0) -> float | None:
    """Seconds from since_s until the first call that is answered with 200 as are all of quiet_s
    after it; None: not within these calls."""
    after = sorted((call for call in calls if call.due_s >= since_s), key=lambda call: call.due_s)
    failed_s = [call.due_s for call in after if call.status != "200"]
    last_s = failed_s[-1] if failed_s else since_s
    good = [call.due_s for call in after if call.due_s > last_s or not failed_s]
    if not good or after[-1].due_s - good[0] < quiet_s:
        return None
    return good[0] - since_s if failed_s else 0.0
