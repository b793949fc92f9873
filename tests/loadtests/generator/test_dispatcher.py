"""The open loop's sender, on the real event loop."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

import gevent
import gevent.event
import pytest

from loadtests.generator import dispatcher
from loadtests.generator.dispatcher import Dispatcher

READ = 1  # of libev


def sent_at(times_s: list[float], share: tuple[int, int], spin: bool) -> dict[int, float]:
    """When each request was sent, in seconds after the start."""
    found: dict[int, float] = {}
    start_s = time.monotonic()
    sender = Dispatcher(
        times_s, share, spin, lambda index: found.update({index: time.monotonic() - start_s})
    )
    sender.start(start_s)
    until_s = start_s + 20
    while not sender.finished and time.monotonic() < until_s:
        gevent.sleep(0.01)
    return found


@pytest.mark.parametrize("spin", [True, False])
def test_every_request_is_sent_in_order_and_none_before_its_time(spin: bool) -> None:
    times_s = [0.0, 0.0, 0.01, 0.0105, 0.05, 0.2]
    found = sent_at(times_s, (0, 1), spin)
    assert list(found) == [0, 1, 2, 3, 4, 5]
    assert all(found[index] >= due_s for index, due_s in enumerate(times_s))


def test_a_process_sends_its_own_share_of_the_schedule() -> None:
    assert list(sent_at([0.001 * k for k in range(10)], (1, 3), True)) == [1, 4, 7]


@contextmanager
def looks_at_the_clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    looks: list[float] = []
    real = time.monotonic

    def look() -> float:
        looks.append(real())
        return looks[-1]

    with monkeypatch.context() as patch:
        patch.setattr(dispatcher.time, "monotonic", look)
        yield looks


def test_what_arrives_while_it_spins_is_read_in_the_same_turn_of_the_loop(monkeypatch) -> None:
    monkeypatch.setattr(dispatcher, "TIMER_STEP_S", 60.0)
    readable, writable = os.pipe()
    arrived = gevent.event.Event()
    watcher = gevent.get_hub().loop.io(readable, READ)
    sender = Dispatcher([0.3], (0, 1), True, lambda _index: None)
    with looks_at_the_clock(monkeypatch) as looks:
        sender.start(time.monotonic())
        gevent.sleep(0)
        counts: list[int] = []

        def on_readable() -> None:
            counts.append(len(looks))
            watcher.stop()
            arrived.set()

        watcher.start(on_readable)
        before = len(looks)
        os.write(writable, b"x")
        assert arrived.wait(20)
    assert counts[0] - before < 10
    while not sender.finished:
        gevent.sleep(0.01)
    watcher.close()
    os.close(readable)
    os.close(writable)
