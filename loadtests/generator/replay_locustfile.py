"""The Locust file of a study: replays one slice after another and hands over every request raw.

loadtests/measure/locust_process.py starts it once for a run, headless, and speaks to it over
--channel. Workers on other hosts join with

    python -m loadtests.generator.locust_command -f - --worker --master-host HOST --master-port PORT

for as long as the run lasts; this project must be installed there. Locust's own statistics are
those of one slice.
"""

import os
import socket
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import gevent
from locust import User, events, task
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment
from locust.runners import STATE_MISSING, MasterRunner, Runner, WorkerRunner

from loadtests.generator.channel import Channel
from loadtests.generator.leader import Leader
from loadtests.generator.locust_statistics import refine
from loadtests.generator.slice_worker import SliceWorker
from loadtests.wire.texts import read_traffic

refine()


@events.init_command_line_parser.add_listener
def add_arguments(parser: LocustArgumentParser) -> None:
    parser.add_argument("--channel", type=_channel, help="descriptor of the socket to the study")
    parser.add_argument("--traffic", help="traffic.jsonl of the study")


def _channel(descriptor: str) -> int:
    # The workers are forks of the leader, of which each would hold its socket: the study must see
    # the leader end, also before they have joined it.
    channel = int(descriptor)
    os.register_at_fork(after_in_child=lambda: _closed(channel))
    return channel


def _closed(channel: int) -> None:
    with suppress(OSError):
        os.close(channel)


@events.init.add_listener
def coordinate(environment: Environment, runner: Runner, **_: Any) -> None:
    """Each process gets its part: without workers the one that is there has both."""
    options = environment.parsed_options
    assert options is not None  # the command line was read
    if not isinstance(runner, WorkerRunner):
        channel = Channel(socket.socket(fileno=options.channel))
        texts = [entry.text for entry in read_traffic(Path(options.traffic))]
        leader = Leader(runner, channel, texts, options.num_users, _lost_by(runner))
        gevent.spawn(leader.lead)
    if not isinstance(runner, MasterRunner):
        ReplayUser.worker = SliceWorker(runner, environment.events.request.fire)


def _lost_by(runner: Runner) -> Any:
    def lost(workers: Sequence[str]) -> Sequence[str]:
        if not isinstance(runner, MasterRunner):
            return ()
        clients = runner.clients
        gone = [each for each in workers if each not in clients]
        return gone + [
            each for each in workers if each in clients and clients[each].state == STATE_MISSING
        ]

    return lost


class ReplayUser(User):
    """One a process; not a model of a person but who replays the slices."""

    worker: SliceWorker

    @task
    def replay(self) -> None:
        self.worker.work()
