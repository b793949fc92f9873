"""A load worker: replays its share of one slice after another, as the leader says."""

import gc
import json
import logging
import time
from collections.abc import Callable, Sequence
from typing import Any

import gevent.queue
import numpy as np

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
from loadtests.generator.replay import Replay
from loadtests.generator.rows import packed
from loadtests.generator.schedule import Schedule
from loadtests.generator.slice_order import SliceOrder
from loadtests.wire.formats import CONTRACT_WIRES, Wire, wire_from


class SliceWorker:
    """fire: told of every request, as Locust's statistics are."""

    def __init__(self, runner: Runner, fire: Callable[..., None]) -> None:
        self._runner, self._fire = runner, fire
        self._texts: Sequence[str] = ()
        self._bodies: dict[str, Sequence[bytes]] = {}
        self._heard: gevent.queue.Queue[Message] = gevent.queue.Queue()
        for kind in (TEXTS, PREPARE, START):
            runner.register_message(kind, lambda environment, msg: self._heard.put(msg))
        runner.register_message(PING, self._pong)

    def work(self) -> None:
        """For as long as Locust runs."""
        self._runner.send_message(READY)
        self._texts = self._heard.get().data["texts"]
        # Importing what gRPC needs takes a quarter of a second, which no slice shall wait for.
        CONTRACT_WIRES["kserve-grpc"].encode("")
        # A pause of the collector would be charged to the contender as send lag; between slices it
        # looks at what they left only, and is done soon.
        gc.collect()
        gc.freeze()
        gc.disable()
        self._runner.send_message(PREPARED)
        while True:
            try:
                self._one_slice()
            except Exception as error:
                # Locust would log it and start the task again, for ever.
                logging.exception("the replay stopped")
                self._runner.send_message(FAILED, {"why": f"{type(error).__name__}: {error}"})
            self._runner.stats.clear_all()  # Locust copies them every second of a load
            gc.collect()

    def _one_slice(self) -> None:
        replay = self._prepared(self._heard.get().data)
        self._runner.send_message(PREPARED)
        rows = replay.run(self._heard.get().data["start_s"])
        self._runner.send_message(ROWS, {"rows": packed(rows)})

    def _prepared(self, data: Any) -> Replay:
        order = SliceOrder(**data["order"])
        schedule = Schedule(
            np.frombuffer(data["times_s"], np.float64), np.frombuffer(data["text_ids"], np.int32)
        )
        worker, workers = data["share"]
        wire = wire_from(order.protocol, order.foreign_wire)
        bodies = self._encoded(wire, json.dumps([order.protocol, order.foreign_wire]))
        return Replay(order, schedule, (worker, workers), wire, bodies, self._fire)

    def _encoded(self, wire: Wire, name: str) -> Sequence[bytes]:
        """The texts as this wire carries them: made for the first slice that needs them."""
        if name not in self._bodies:
            self._bodies[name] = [wire.encode(text) for text in self._texts]
        return self._bodies[name]

    def _pong(self, environment: Any, msg: Message) -> None:
        self._runner.send_message(PONG, {"clock_s": time.monotonic()})
