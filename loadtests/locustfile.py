"""For Locust by hand: one user class for each contender.

    study serve fastapi-tuned
    locust -f loadtests/locustfile.py --class-picker --web-host 127.0.0.1    # choose it in the UI
    locust -f loadtests/locustfile.py FastapiTuned --headless --users 20 --run-time 30s

Each class calls the port at which `study serve` puts its contender; --host changes it. The classes
of the calibration's contenders have to be asked for, by name or with --calibration. These users are
closed loop (each waits for its reply), so the study itself measures with
loadtests/generator/replay_locustfile.py instead.
"""

import argparse
import logging
import math
import random
import time
from pathlib import Path
from typing import Any, ClassVar

import gevent
from locust import FastHttpUser, User, events, task
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment
from locust.exception import StopUser
from locust.runners import Runner, WorkerRunner

from loadtests.generator.clients.factory import RequestFailedError, connect
from loadtests.generator.identity import Targets, host_and_port
from loadtests.generator.locust_statistics import refine
from loadtests.wire.formats import CONTRACT_WIRES, AnswerError, JsonWire, wire_of
from loadtests.wire.texts import decode_answer, encode_request, read_traffic
from servers.discovery import Contender, discover

SAMPLE_TEXTS = (
    "Where is my order? It should have come last Friday.",
    "请问我的订单什么时候发货？",
    "I was charged twice for the same parcel, please refund one of them.",
    "我想修改收货地址，谢谢。",
)
BACK_OFF_S = 1.0
"""How long a user waits that got no connection: else it would try again thousands of times."""

WRONG_TARGET = "wrong target"

refine()

logger = logging.getLogger(__name__)


def seconds(text: str) -> float:
    """For argparse: a number of seconds above 0."""
    value = float(text)
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"expected seconds above 0, found {text}")
    return value


@events.init_command_line_parser.add_listener
def add_arguments(parser: LocustArgumentParser) -> None:
    parser.add_argument(
        "--traffic",
        default="",
        help="traffic.jsonl of a study (.cache/artefacts/...); default: a few sample texts",
    )
    parser.add_argument(
        "--timeout", type=seconds, default=10.0, help="seconds after which a request has failed"
    )
    parser.add_argument(
        "--calibration",
        action="store_true",
        env_var="LOCUST_CALIBRATION",
        include_in_web_ui=False,
        help="offer the null servers and the simulated service beside the contenders, too",
    )


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
_targets = Targets()
_refusals: list[str] = []
"""Of the test that runs; in Locust's master, or where there is one process only."""


class _OfContender(User):
    abstract = True
    contender: ClassVar[Contender]
    pause_s = 0.0

    def wait_time(self) -> float:
        return self.pause_s

    def text(self) -> str:
        """What to send next; ends the test where another contender would get it."""
        options = self.environment.parsed_options
        refusal = _targets.refusal(self.contender, str(self.host), options.timeout)
        if refusal:
            assert self.environment.runner is not None  # which runs this user
            self.environment.runner.send_message(WRONG_TARGET, refusal)
            raise StopUser
        return _messages.any(options.traffic)


class HttpContender(_OfContender, FastHttpUser):
    abstract = True
    wire: ClassVar[JsonWire]

    def __init__(self, environment: Environment) -> None:
        assert environment.parsed_options is not None  # the command line was read
        # FastHttpUser makes its session of them.
        self.network_timeout = self.connection_timeout = environment.parsed_options.timeout
        super().__init__(environment)

    @task
    def predict(self) -> None:
        wire, headers = self.wire, {"content-type": "application/json", **self.wire.headers}
        name = f"{self.contender.name} {wire.path}"
        body: Any = wire.encode(self.text())  # bytes, which its types leave out
        with self.client.post(
            wire.path, name=name, data=body, headers=headers, catch_response=True
        ) as response:
            # Locust's status of a request without an answer is 0.
            lost = not response.status_code and not isinstance(response.error, TimeoutError)
            self.pause_s = BACK_OFF_S if lost else 0.0
            if not response.status_code:
                response.failure(f"no answer from {self.host}: {response.error}")
            elif response.status_code == 200:
                try:
                    wire.decode(response.content or b"")
                except AnswerError as error:
                    response.failure(str(error))


class GrpcContender(_OfContender):
    abstract = True

    def on_start(self) -> None:
        host, port = host_and_port(str(self.host), self.contender.port)
        timeout_s = self.environment.parsed_options.timeout
        self._client = connect(CONTRACT_WIRES["kserve-grpc"], host, port, timeout_s)
        self._where = f"{host}:{port}"

    def on_stop(self) -> None:
        self._client.close()

    @task
    def predict(self) -> None:
        body = encode_request("kserve-grpc", self.text())
        started_s = time.perf_counter()
        error: Exception | None = None
        reply = b""
        self.pause_s = 0.0
        try:
            reply = self._client.send(body)
        except RequestFailedError as failure:
            lost = failure.status == "connection"
            why = "connection refused or lost" if lost else failure.status
            error = ConnectionError(f"no answer from {self._where}: {why}")
            self.pause_s = BACK_OFF_S if lost else 0.0
        elapsed_ms = (time.perf_counter() - started_s) * 1000
        if error is None:
            try:
                decode_answer("kserve-grpc", reply)
            except AnswerError as wrong:
                error = wrong
        self.environment.events.request.fire(
            request_type="gRPC",
            name=f"{self.contender.name} ModelInfer",
            response_time=elapsed_ms,
            response_length=len(reply),
            exception=error,
            context=self.context(),
        )


@events.init.add_listener
def prepare(environment: Environment, runner: Runner, **_: Any) -> None:
    if isinstance(runner, WorkerRunner):
        return  # its master says which classes run, and ends the test
    runner.register_message(WRONG_TARGET, end_test)
    options = environment.parsed_options
    assert options is not None  # the command line was read
    if not options.calibration and not options.user_classes:
        classes = environment.available_user_classes or {}
        for name in [name for name, each in classes.items() if _calibrates(each)]:
            del classes[name]
        environment.user_classes = [u for u in environment.user_classes if not _calibrates(u)]


@events.test_start.add_listener
def forget_targets(**_: Any) -> None:
    _targets.forget()
    _refusals.clear()


def end_test(environment: Environment, msg: Any, **_: Any) -> None:
    """Says why the test cannot go on, by the first user who found out; without a web UI Locust ends
    with exit code 2."""
    runner, options = environment.runner, environment.parsed_options
    assert runner is not None  # it has called this
    assert options is not None  # the command line was read
    if _refusals:
        return
    _refusals.append(msg.data)
    logger.error(msg.data)
    runner.log_exception("local", msg.data, msg.data)
    if options.headless:
        environment.process_exit_code = 2
    gevent.spawn(runner.quit if options.headless else runner.stop)


def _calibrates(user_class: object) -> bool:
    contender = getattr(user_class, "contender", None)  # none: of another Locust file
    return contender is not None and contender.setting == "calibration"


def _user_class(contender: Contender) -> type[User]:
    http = contender.protocol == "http-json"
    about: dict[str, Any] = {
        "__doc__": contender.summary,
        "__module__": __name__,
        "contender": contender,
        "host": f"{'http' if http else 'grpc'}://127.0.0.1:{contender.port}",
        "wire": wire_of(contender),
    }
    return type(contender.user_class, (HttpContender if http else GrpcContender,), about)


for _contender in discover().values():
    globals()[_contender.user_class] = _user_class(_contender)
