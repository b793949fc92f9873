"""The Locust file of a study: replays one schedule and writes every request raw.

loadtests/measure/locust_process.py starts it, headless, with --assignment FILE. Stock Locust is
closed-loop and rounds its response times; here arrivals do not wait for replies, latency can be
taken from the scheduled time, and percentiles come from the rows only. Locust's own statistics
still feed its live view.
"""

import gc
import logging
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gevent
import gevent.event
import locust.stats
from locust import User, events, task
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment
from locust.exception import StopUser
from locust.runners import MasterRunner, WorkerRunner

from loadtests.generator.assignment import (
    ANSWER_SAMPLE_EVERY,
    MAX_IN_FLIGHT,
    Assignment,
    Row,
    write_rows,
)
from loadtests.generator.clients.factory import Outcome, RequestFailedError, connect
from loadtests.generator.dispatcher import Dispatcher
from loadtests.generator.schedule import Schedule
from loadtests.wire.formats import AnswerError, wire_from
from loadtests.wire.texts import read_traffic

START_DELAY_S = 0.3
"""From all workers being ready to the first possible arrival: for the message to reach them."""

START_MESSAGE, DONE_MESSAGE = "replay_start", "replay_done"

# The stock buckets are whole milliseconds: as wide as a small model's latency.
setattr(locust.stats, "bucket_response_time", lambda ms: round(ms, 1))  # noqa: B010 - typed int

_start_at: "gevent.event.AsyncResult[float]" = gevent.event.AsyncResult()


class Replay:
    """Sends one assignment's requests from this process and keeps the rows."""

    def __init__(self, assignment: Assignment, worker: int, fire: Callable[..., None]) -> None:
        self.assignment = assignment
        self.worker = worker
        self._fire = fire
        schedule = Schedule.load(Path(assignment.schedule))
        self._times_s: list[float] = schedule.times_s.tolist()
        self._text_ids: list[int] = schedule.text_ids.tolist()
        share = (worker, assignment.workers)
        self._dispatcher = Dispatcher(self._times_s, share, assignment.own_cores, self._send_due)
        self._wire = wire_from(assignment.protocol, assignment.foreign_wire)
        self._texts = [
            self._wire.encode(entry.text) for entry in read_traffic(Path(assignment.traffic))
        ]
        self._client = connect(self._wire, assignment.host, assignment.port, assignment.timeout_s)
        self._start_s = 0.0
        self._in_flight = 0
        self._done = gevent.event.Event()
        self._rows: list[Row] = []
        self._replies: list[tuple[Row, bytes]] = []

    def run(self, start_s: float) -> None:
        """Replays from start_s on the monotonic clock, waits for the last reply, writes rows."""
        self._start_s = start_s
        gevent.sleep(max(0.0, start_s - time.monotonic()))
        if self.assignment.mode == "open":
            self._dispatcher.start(start_s)
        else:
            for _ in range(self.worker, self.assignment.concurrency, self.assignment.workers):
                self._call_again()
        self._wait_for_the_last()
        self._client.close()
        self._decode_sampled()
        write_rows(Path(self.assignment.out_dir), self.worker, start_s, self._rows)

    def _wait_for_the_last(self) -> None:
        until_s = self._start_s + self.assignment.duration_s + self.assignment.timeout_s + 5
        while (left_s := until_s - time.monotonic()) > 0 and not self._finished():
            self._done.clear()
            self._done.wait(left_s)

    def _finished(self) -> bool:
        all_sent = self.assignment.mode == "closed" or self._dispatcher.finished
        return all_sent and not self._in_flight

    def _send_due(self, index: int) -> None:
        row = self._new_row(index, self._times_s[index])
        if self._in_flight < MAX_IN_FLIGHT:
            self._send(row, lambda: None)

    def _call_again(self) -> None:
        now_s = time.monotonic() - self._start_s
        if now_s < self.assignment.duration_s:
            index = self.worker + len(self._rows) * self.assignment.workers
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
        self._client.start(self._texts[row.text_id], on_done)

    def _record(self, row: Row, outcome: Outcome) -> None:
        error = outcome if isinstance(outcome, RequestFailedError) else None
        reply = outcome if isinstance(outcome, bytes) else b""
        row.status = error.status if error else "ok"
        if not error and row.request_index % ANSWER_SAMPLE_EVERY == 0:
            self._replies.append((row, reply))
        self._fire(
            request_type=self.assignment.protocol,
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


@events.init_command_line_parser.add_listener
def add_arguments(parser: LocustArgumentParser) -> None:
    parser.add_argument("--assignment", required=True, help="JSON file written by the study")


@events.init.add_listener
def coordinate(environment: Environment, **_: Any) -> None:
    """One start time for all workers; the run ends when the last worker is done."""
    runner = environment.runner
    if isinstance(runner, WorkerRunner):
        runner.register_message(
            START_MESSAGE, lambda environment, msg, **_: _start_at.set(msg.data["start_s"])
        )
    elif isinstance(runner, MasterRunner):
        _lead(runner)
    else:
        environment.events.quit.add_listener(_leave)


def _lead(runner: MasterRunner) -> None:
    done: set[str] = set()

    def announce(**_: Any) -> None:
        runner.send_message(START_MESSAGE, {"start_s": time.monotonic() + START_DELAY_S})

    def on_done(environment: Environment, msg: Any, **_: Any) -> None:
        done.add(msg.node_id)
        if len(done) == runner.worker_count:
            runner.quit()

    runner.environment.events.spawning_complete.add_listener(announce)
    runner.register_message(DONE_MESSAGE, on_done)


def _leave(exit_code: int, **_: Any) -> None:
    # The rows are written; taking the interpreter apart would add 0.2 s to each trial.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(exit_code)


class ReplayUser(User):
    """One a process; not a model of a person but the dispatcher of the schedule."""

    @task
    def replay(self) -> None:
        runner = self.environment.runner
        try:
            self._run(runner.worker_index if isinstance(runner, WorkerRunner) else 0)
        except Exception:
            # Locust would log it and start the task again, for ever.
            logging.exception("the replay stopped")
        if isinstance(runner, WorkerRunner):
            runner.send_message(DONE_MESSAGE)
        else:
            gevent.spawn(runner.quit)
        raise StopUser

    def _run(self, worker: int) -> None:
        assignment = Assignment.load(Path(self.environment.parsed_options.assignment))
        job = Replay(assignment, worker, self.environment.events.request.fire)
        # A pause of the collector would be charged to the contender as send lag; the rows of one
        # trial are few enough to wait for the end.
        gc.collect()
        gc.disable()
        if isinstance(self.environment.runner, WorkerRunner):
            start_s = _start_at.get(timeout=60)
            assert start_s is not None  # get raises when the time is up
        else:
            start_s = time.monotonic()
        job.run(start_s)
