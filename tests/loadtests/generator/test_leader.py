"""The leader of several load workers, with a runner that has no network."""

from types import SimpleNamespace

import gevent

from loadtests.generator.channel import ChannelClosed
from loadtests.generator.leader import Leader
from loadtests.generator.messages import PREPARED, READY, TEXTS


class Runner:
    """Its first worker is ready at once and the second later; each prepares as soon as it can."""

    def __init__(self) -> None:
        self.listeners = {}

    def register_message(self, kind, listener) -> None:
        self.listeners[kind] = listener

    def say(self, kind: str, worker: str) -> None:
        self.listeners[kind](None, SimpleNamespace(type=kind, node_id=worker, data=None))

    def send_message(self, kind: str, data=None, worker: str = "") -> None:
        if kind == TEXTS:
            self.say(PREPARED, worker)

    def quit(self) -> None:
        pass


class Channel:
    def __init__(self) -> None:
        self.sent = []

    def send(self, head, *parts) -> None:
        self.sent.append(head)

    def receive(self):
        raise ChannelClosed

    def close(self) -> None:
        pass


def test_a_worker_that_is_prepared_before_another_is_ready_is_heard() -> None:
    runner, channel = Runner(), Channel()
    leader = Leader(runner, channel, ["a text"], 2, lost=lambda workers: workers)
    runner.say(READY, "quick")
    gevent.spawn_later(0.05, runner.say, READY, "slow")
    leader.lead()
    assert channel.sent == [{"ready": 2}]
