"""One slice in one Locust process: sends its share of a schedule and keeps a row of each request.

Stock Locust is closed-loop and rounds its response times; here arrivals do not wait for replies,
latency can be taken from the scheduled time, and percentiles come from the rows only.
"""

import time
from collections.abc import Callable, Sequence

import gevent
import gevent.event

from loadtests.generator.clients.factory import Outcome, RequestFailedError, connect
from loadtests.generator.dispatcher import Dispatcher
from loadtests.generator.rows import Row
from loadtests.generator.schedule import Schedule
from loadtests.generator.slice_order import ANSWER_SAMPLE_EVERY, MAX_IN_FLIGHT, SliceOrder
from loadtests.wire.formats import AnswerError, Wire

LATEST_REPLY_S = 5.0
"""How long after its timeout a request may still be waited for."""


class Replay:
    """bodies: what is sent, by text. share: of the schedule, every how many-th request from which.
    fire: told of every request, as Locust's statistics are."""

    def __init__(
        self,
        order: SliceOrder,
        schedule: Schedule,
        share: tuple[int, int],
        wire: Wire,
        bodies: Sequence[bytes],
        fire: Callable[..., None],
    ) -> None:
        self._order = order
        self._worker, self._workers = share
        self._times_s: list[float] = schedule.times_s.tolist()
        self._text_ids: list[int] = schedule.text_ids.tolist()
        self._dispatcher = Dispatcher(self._times_s, share, order.own_cores, self._send_due)
        self._wire, self._bodies, self._fire = wire, bodies, fire
        self._client = connect(wire, order.host, order.port, order.timeout_s)
        self._start_s = 0.0
        self._in_flight = 0
        self._done = gevent.event.Event()
        self._rows: list[Row] = []
        self._replies: list[tuple[Row, bytes]] = []

    def run(self, start_s: float) -> list[Row]:
        """Replays from start_s on the monotonic clock, and waits for the last reply."""
        self._start_s = start_s
        gevent.sleep(max(0.0, start_s - time.monotonic()))
        if self._order.mode == "open":
            self._dispatcher.start(start_s)
        else:
            for _ in range(self._worker, self._order.concurrency, self._workers):
                self._call_again()
        self._wait_for_the_last()
        self._client.close()
        self._decode_sampled()
        return self._rows

    def _wait_for_the_last(self) -> None:
        latest_s = self._order.duration_s + self._order.timeout_s + LATEST_REPLY_S
        while (left_s := self._start_s + latest_s - time.monotonic()) > 0 and not self._finished():
            self._done.clear()
            self._done.wait(left_s)

    def _finished(self) -> bool:
        all_sent = self._order.mode == "closed" or self._dispatcher.finished
        return all_sent and not self._in_flight

    def _send_due(self, index: int) -> None:
        row = self._new_row(index, self._times_s[index])
        if self._in_flight < MAX_IN_FLIGHT:
            self._send(row, lambda: None)

    def _call_again(self) -> None:
        now_s = time.monotonic() - self._start_s
        if now_s < self._order.duration_s:
            index = self._worker + len(self._rows) * self._workers
            self._send(self._new_row(index, now_s), self._call_again)

    def _new_row(self, index: int, scheduled_s: float) -> Row:
        row = Row(index, self._text_ids[index % len(self._text_ids)], scheduled_s)
        self._rows.append(row)
        return row

    def _send(self, row: Row, then: Callable[[], None]) -> None:
        def on_done(outcome: Outcome) -> None:
            row.done_s = time.monotonic() - self._start_s
            self._in_flight -= 1
            self._record(row, outcome)
            then()
            if not self._in_flight:
                self._done.set()

        self._in_flight += 1
        row.sent_s = time.monotonic() - self._start_s
        self._client.start(self._bodies[row.text_id], on_done)

    def _record(self, row: Row, outcome: Outcome) -> None:
        error = outcome if isinstance(outcome, RequestFailedError) else None
        reply = outcome if isinstance(outcome, bytes) else b""
        row.status = error.status if error else "ok"
        if not error and row.request_index % ANSWER_SAMPLE_EVERY == 0:
            self._replies.append((row, reply))
        self._fire(
            request_type=self._order.protocol,
            name="predict",
            response_time=(row.done_s - row.sent_s) * 1000,
            response_length=len(reply),
            exception=error,
        )

    def _decode_sampled(self) -> None:
        # After the load: decoding while it runs would charge the contender for its client.
        for row, reply in self._replies:
            try:
                answer = self._wire.decode(reply)
                row.label = answer.label
                if answer.confidence is not None:
                    row.confidence = answer.confidence
            except AnswerError:
                row.status = "wrong_answer"
