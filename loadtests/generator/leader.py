"""The leading Locust process: hands every slice of the study to the load workers, and their rows
back."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import gevent.queue

from loadtests.generator.channel import Channel, ChannelClosed
from loadtests.generator.clock_offsets import RoundTrip, clock_offset, shift_s
from loadtests.generator.messages import (
    FAILED,
    PING,
    PONG,
    PREPARE,
    PREPARED,
    READY,
    ROWS,
    START,
    TEXTS,
    Message,
    Runner,
)
from loadtests.records.trials import ClockOffset

START_DELAY_S = 0.01
"""From all workers being ready to the first possible arrival: for the message to reach them. Longer
where messages take longer."""

N_ROUND_TRIPS = 10
LOOK_AFTER_WORKERS_EVERY_S = 1.0


class WorkerError(Exception):
    """A load worker failed, or is lost."""


class Leader:
    """lost: those of the workers that Locust hears nothing of any more."""

    def __init__(
        self,
        runner: Runner,
        channel: Channel,
        texts: Sequence[str],
        n_workers: int,
        lost: Callable[[Sequence[str]], Sequence[str]],
    ) -> None:
        self._runner, self._channel, self._texts = runner, channel, texts
        self._n_workers, self._lost = n_workers, lost
        self._workers: list[str] = []
        self._heard: gevent.queue.Queue[Message] = gevent.queue.Queue()
        for kind in (READY, PREPARED, PONG, ROWS, FAILED):
            runner.register_message(kind, lambda environment, msg: self._heard.put(msg))

    def lead(self) -> None:
        """Until the study has gone."""
        try:
            self._welcome()
            while True:
                order, (times_s, text_ids) = self._channel.receive()
                try:
                    self._channel.send(*self._replayed(order, times_s, text_ids))
                except WorkerError as error:
                    self._channel.send({"failed": str(error)})
        except (ChannelClosed, OSError):
            pass
        except Exception:
            logging.exception("the leader of the load stopped")
        self._channel.close()
        self._runner.quit()

    def _welcome(self) -> None:
        # Before any gets its texts: what a quick one answers is lost while others are waited for.
        while len(self._workers) < self._n_workers:
            self._workers.append(self._next(READY).node_id)
        for worker in self._workers:
            self._runner.send_message(TEXTS, {"texts": self._texts}, worker)
        self._from_each(PREPARED)
        self._channel.send({"ready": self._n_workers})

    def _replayed(
        self, order: Any, times_s: bytes, text_ids: bytes
    ) -> tuple[dict[str, Any], list[bytes]]:
        self._runner.stats.clear_all()  # they grow, and nobody reads them
        for k, worker in enumerate(self._workers):
            share = [k, self._n_workers]
            data = {"order": order, "times_s": times_s, "text_ids": text_ids, "share": share}
            self._runner.send_message(PREPARE, data, worker)
        self._from_each(PREPARED)
        offsets = {worker: self._offset_of(worker) for worker in self._workers}
        slowest_s = max(offset.uncertainty_s for offset in offsets.values())
        start_s = time.monotonic() + START_DELAY_S + 4 * slowest_s
        for worker, offset in offsets.items():
            self._runner.send_message(START, {"start_s": start_s + shift_s(offset)}, worker)
        rows = self._from_each(ROWS)
        head = {
            "start_s": start_s,
            "clock_offsets": [asdict(offsets[worker]) for worker in self._workers],
        }
        return head, [rows[worker]["rows"] for worker in self._workers]

    def _offset_of(self, worker: str) -> ClockOffset:
        trips = []
        for _ in range(N_ROUND_TRIPS):
            asked_s = time.monotonic()
            self._runner.send_message(PING, None, worker)
            answer_s = self._next(PONG).data["clock_s"]
            trips.append(RoundTrip(asked_s, answer_s, time.monotonic()))
        return clock_offset(trips)

    def _from_each(self, kind: str) -> dict[str, Any]:
        """The data of one message of this kind from every worker."""
        found: dict[str, Any] = {}
        while len(found) < self._n_workers:
            message = self._next(kind)
            found[message.node_id] = message.data
        return found

    def _next(self, kind: str) -> Message:
        while True:
            try:
                message = self._heard.get(timeout=LOOK_AFTER_WORKERS_EVERY_S)
            except gevent.queue.Empty:
                if lost := self._lost(self._workers):
                    raise WorkerError(
                        f"{len(lost)} of {self._n_workers} Locust processes were lost"
                    ) from None
                continue
            if message.type == FAILED:
                raise WorkerError(f"a Locust process failed with {message.data['why']}")
            if message.type == kind:
                return message
