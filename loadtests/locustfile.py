"""For Locust by hand: one user class for each contender.

    study serve fastapi-tuned
    locust -f loadtests/locustfile.py --class-picker            # web UI: choose the class there
    locust -f loadtests/locustfile.py FastapiTuned --headless --users 20 --run-time 30s

Hosts default to where `study serve` puts a contender; --host changes them. These users are closed
loop (each waits for its reply), so the study itself measures with loadtests/replay.py instead.
"""

import random
import time
from pathlib import Path
from typing import Any

import locust.stats
from locust import FastHttpUser, User, constant, events, task
from locust.argument_parser import LocustArgumentParser

from loadtests.gevent_clients import RequestFailedError, connect
from loadtests.traffic import decode_answer, encode_request, read_traffic
from loadtests.wire import CONTRACT_WIRES, AnswerError
from servers.contract import DEFAULT_GRPC_PORT, DEFAULT_HTTP_PORT
from servers.discovery import Contender, discover

SAMPLE_TEXTS = (
    "Where is my order? It should have come last Friday.",
    "请问我的订单什么时候发货？",
    "I was charged twice for the same parcel, please refund one of them.",
    "我想修改收货地址，谢谢。",
)

# The stock buckets are whole milliseconds: as wide as a small model's latency.
setattr(locust.stats, "bucket_response_time", lambda ms: round(ms, 1))  # noqa: B010 - typed int
locust.stats.PERCENTILES_TO_CHART = [0.5, 0.95, 0.99]


@events.init_command_line_parser.add_listener
def add_arguments(parser: LocustArgumentParser) -> None:
    parser.add_argument(
        "--traffic",
        default="",
        help="traffic.jsonl of a study (.cache/artefacts/...); default: a few sample texts",
    )
    parser.add_argument(
        "--timeout", type=float, default=10.0, help="seconds after which a request has failed"
    )


def class_name(contender: str) -> str:
    """fastapi-tuned -> FastapiTuned."""
    return "".join(part.capitalize() for part in contender.split("-"))


class _Messages:
    """The texts the users send, read once the command line is known."""

    def __init__(self) -> None:
        self._texts: tuple[str, ...] = ()

    def any(self, traffic: str) -> str:
        if not self._texts:
            given = tuple(entry.text for entry in read_traffic(Path(traffic))) if traffic else ()
            self._texts = given or SAMPLE_TEXTS
        return random.choice(self._texts)


_messages = _Messages()


class HttpContender(FastHttpUser):
    abstract = True
    host = f"http://127.0.0.1:{DEFAULT_HTTP_PORT}"
    wait_time = constant(0)

    @task
    def predict(self) -> None:
        text = _messages.any(self.environment.parsed_options.traffic)
        with self.client.post("/predict", json={"text": text}, catch_response=True) as response:
            if response.status_code == 200:
                try:
                    decode_answer("http-json", response.content or b"")
                except AnswerError as error:
                    response.failure(str(error))


class GrpcContender(User):
    abstract = True
    host = f"grpc://127.0.0.1:{DEFAULT_GRPC_PORT}"
    wait_time = constant(0)

    def on_start(self) -> None:
        host, _, port = str(self.host).rpartition("//")[2].partition(":")
        timeout_s = self.environment.parsed_options.timeout
        wire = CONTRACT_WIRES["kserve-grpc"]
        self._client = connect(wire, host, int(port or DEFAULT_GRPC_PORT), timeout_s)

    def on_stop(self) -> None:
        self._client.close()

    @task
    def predict(self) -> None:
        text = _messages.any(self.environment.parsed_options.traffic)
        body = encode_request("kserve-grpc", text)
        started_s = time.perf_counter()
        error: Exception | None = None
        reply = b""
        try:
            reply = self._client.send(body)
        except RequestFailedError as failure:
            error = failure
        elapsed_ms = (time.perf_counter() - started_s) * 1000
        if error is None:
            try:
                decode_answer("kserve-grpc", reply)
            except AnswerError as wrong:
                error = wrong
        self.environment.events.request.fire(
            request_type="gRPC",
            name="ModelInfer",
            response_time=elapsed_ms,
            response_length=len(reply),
            exception=error,
            context=self.context(),
        )


def _user_class(contender: Contender) -> type[User]:
    base = HttpContender if contender.protocol == "http-json" else GrpcContender
    about: dict[str, Any] = {"__doc__": contender.summary, "__module__": __name__}
    return type(class_name(contender.name), (base,), about)


for _contender in discover().values():
    globals()[class_name(_contender.name)] = _user_class(_contender)
