"""Locust's stock clients, used as documented: what the study's own are compared with.

loadtests/selfcheck/stock_client.py starts it. As in the study, bodies are made beforehand and every
request becomes one raw row: here from Locust's request events, sent_s being done_s minus the
response time that Locust measured, and scheduled_s the same, since this load is closed-loop.
"""

import time
from functools import cache
from itertools import cycle
from pathlib import Path
from typing import Any

import gevent
import grpc.experimental.gevent
import numpy as np
import tritonclient.grpc
from locust import FastHttpUser, User, constant, events, task
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment

from loadtests.generator.rows import Row, packed
from loadtests.records.atomic import replacing
from loadtests.records.trials import CLIENT_LIMIT
from loadtests.wire.client_limits import exhausted_in, failure_status
from loadtests.wire.formats import HTTP_PATH
from loadtests.wire.texts import encode_request, read_traffic
from servers.contract import MODEL_NAME
from servers.discovery import Protocol
from servers.grpc_channel import GRPC_CHANNEL_OPTIONS

# Without this call gRPC blocks the whole process on each request: one call at a time, with
# latencies that look perfect. It must come after gevent's patching and before any channel.
grpc.experimental.gevent.init_gevent()


@events.init_command_line_parser.add_listener
def add_arguments(parser: LocustArgumentParser) -> None:
    parser.add_argument("--traffic", required=True, help="traffic.jsonl of the study")
    parser.add_argument("--protocol", required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--rows", required=True, help="file that receives the start and the rows")


@events.init.add_listener
def record(environment: Environment, **_: Any) -> None:
    """Once all users are there: one row a request event, for as long as asked."""
    options = environment.parsed_options
    assert options is not None  # the command line was read
    _prepared(options.traffic, options.protocol)
    rows: list[Row] = []

    def on_start(**_: Any) -> None:
        start_s = time.monotonic()

        def on_request(response_time: float, exception: BaseException | None, **_: Any) -> None:
            done_s = time.monotonic() - start_s
            sent_s = done_s - response_time / 1000
            status = "ok" if exception is None else _failure_status(exception)
            rows.append(Row(len(rows), 0, sent_s, sent_s, done_s, status))

        def finish() -> None:
            with replacing(Path(options.rows)) as unfinished:
                unfinished.write_bytes(b"%r\n" % start_s + packed(rows))
            assert environment.runner is not None  # it has spawned its users
            environment.runner.quit()

        environment.events.request.add_listener(on_request)
        gevent.spawn_later(options.seconds, finish)

    environment.events.spawning_complete.add_listener(on_start)


def _failure_status(error: BaseException) -> str:
    if isinstance(error, tritonclient.grpc.InferenceServerException):
        return "connection" if exhausted_in(str(error)) is None else CLIENT_LIMIT
    return failure_status(error)


@cache
def _prepared(path: str, protocol: Protocol) -> list[Any]:
    """What is sent, by text: made once, and before the first user starts."""
    texts = [entry.text for entry in read_traffic(Path(path))]
    if protocol == "http-json":
        return [encode_request(protocol, text) for text in texts]
    return [[_tensor(text)] for text in texts]


class _Stock(User):
    abstract = True
    wait_time = constant(0)

    def on_start(self) -> None:
        options = self.environment.parsed_options
        self._requests = cycle(_prepared(options.traffic, options.protocol))


class StockHttp(_Stock, FastHttpUser):
    """FastHttpUser."""

    @task
    def predict(self) -> None:
        headers = {"content-type": "application/json"}
        self.client.post(HTTP_PATH, data=next(self._requests), headers=headers)


class StockGrpc(_Stock):
    """tritonclient.grpc under gevent, its input tensors made beforehand."""

    def on_start(self) -> None:
        super().on_start()
        self._client = tritonclient.grpc.InferenceServerClient(
            str(self.host).rpartition("/")[2], channel_args=GRPC_CHANNEL_OPTIONS
        )

    def on_stop(self) -> None:
        # Left to the interpreter's shutdown, a channel under gevent blocks it for ever.
        self._client.close()

    @task
    def predict(self) -> None:
        started_s = time.perf_counter()
        error: Exception | None = None
        try:
            self._client.infer(MODEL_NAME, next(self._requests))
        except tritonclient.grpc.InferenceServerException as failure:
            error = failure
        self.environment.events.request.fire(
            request_type="gRPC",
            name="ModelInfer",
            response_time=(time.perf_counter() - started_s) * 1000,
            response_length=0,
            exception=error,
            context=self.context(),
        )


def _tensor(text: str) -> tritonclient.grpc.InferInput:
    tensor = tritonclient.grpc.InferInput("TEXT", [1, 1], "BYTES")
    tensor.set_data_from_numpy(np.array([[text.encode()]], dtype=np.object_))
    return tensor
