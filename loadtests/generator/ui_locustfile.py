"""The Locust file of `study ui`: Locust's web UI with the study's page in it, and the load by hand.

loadtests/live/web.py starts it. Every contender of the session is a user class. The study process,
asked over --channel, owns the contenders and makes the comparisons.
"""

import json
import logging
import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import gevent
from locust import User, events, task
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment
from locust.exception import StopUser
from locust.runners import STATE_RUNNING, STATE_SPAWNING, Runner
from locust.web import WebUI

from loadtests.generator.channel import Channel
from loadtests.generator.live_load import Asked, LiveLoad
from loadtests.generator.locust_statistics import refine
from loadtests.generator.study_asked import StudyAsked
from loadtests.generator.study_page import add_study_page
from loadtests.plan.live_choices import (
    ARRIVALS,
    CLOSED,
    LENGTHS,
    LOADS,
    OPEN,
    live_problem,
    texts_of,
)
from loadtests.records.seed import SEED
from loadtests.wire.formats import wire_of
from loadtests.wire.texts import read_traffic
from servers.discovery import discover

refine()

TOLD: Mapping[str, Mapping[str, str]] = json.loads(os.environ.get("STUDY_UI_SESSION", "{}"))
"""The names of the user classes by contender, and the files of traffic by what they are called."""

TRAFFIC = TOLD.get("traffic", {})
ASK_EVERY_S = 1.0

logger = logging.getLogger(__name__)


@events.init_command_line_parser.add_listener
def add_arguments(parser: LocustArgumentParser) -> None:
    parser.add_argument("--channel", type=int, include_in_web_ui=False)
    parser.add_argument(
        "--password", default="", include_in_web_ui=False, env_var="STUDY_UI_PASSWORD"
    )
    parser.add_argument(
        "--load",
        choices=list(LOADS),
        default=OPEN,
        help="Open loop: requests come at the rate below, whatever the number of users. Closed "
        "loop: each user sends when its last reply has come.",
    )
    parser.add_argument(
        "--requests-per-second",
        type=float,
        default=20.0,
        help="Open loop: the rate that each chosen contender gets.",
    )
    parser.add_argument(
        "--arrivals", choices=list(ARRIVALS), default=next(iter(ARRIVALS)), help="Open loop: gaps."
    )
    parser.add_argument(
        "--texts", choices=list(TRAFFIC), default=next(iter(TRAFFIC), None), help="What is sent."
    )
    parser.add_argument(
        "--text-lengths", choices=list(LENGTHS), default=next(iter(LENGTHS)), help="Length mix."
    )


class OfContender(User):
    abstract = True
    load: LiveLoad

    @task
    def call(self) -> None:
        if not self.load.running:
            raise StopUser
        options = self.environment.parsed_options
        if options is not None and options.load == CLOSED:
            self.load.call()
        else:
            gevent.sleep(1.0)  # the open loop sends by itself


class Session:
    """What this process knows: its loads, the texts, and what the study said last."""

    def __init__(self, environment: Environment, runner: Runner) -> None:
        self.environment, self.runner = environment, runner
        options = environment.parsed_options
        assert options is not None  # the command line was read
        self.options = options
        self.study = StudyAsked(Channel(socket.socket(fileno=options.channel)))
        self.texts = {name: read_traffic(Path(file)) for name, file in TRAFFIC.items()}
        for load in BY_CONTENDER.values():
            load.fire = environment.events.request.fire

    def live(self) -> dict[str, Any]:
        figures = {name: load.figures() for name, load in BY_CONTENDER.items()}
        return {
            "running": self.runner.state in (STATE_RUNNING, STATE_SPAWNING),
            "users": self.runner.user_count,
            "figures": {name: asdict(each) for name, each in figures.items() if each},
        }

    def keep_asking(self) -> None:
        """Until the study has gone, and then this process goes too."""
        while True:
            try:
                answer = self.study.ask("state", live=self.live())
            except (EOFError, OSError):
                break
            for name, where in answer["where"].items():
                BY_CONTENDER[name].aim(tuple(where) if where else None)
            gevent.sleep(ASK_EVERY_S)
        os.kill(os.getpid(), 15)

    def begin(self) -> None:
        texts = self._texts()
        refused = live_problem(self._asked().rate_rps, self.options.load == OPEN)
        if not texts:
            refused = f"expected texts that are {self.options.text_lengths}, found none."
        if not refused:
            answer = self.study.ask("live begins")
            refused = "" if answer["ok"] else answer["said"]
        if refused:
            logger.error(refused)
            self.runner.log_exception("local", refused, refused)
            self.study.said = refused
            gevent.spawn(self.runner.stop)
            return
        for user_class in self.environment.user_classes:
            getattr(user_class, "load").start(texts, self._asked)  # noqa: B009 - of OfContender

    def end(self) -> None:
        for load in BY_CONTENDER.values():
            load.stop()
        with suppress(EOFError, OSError):
            self.study.ask("live ends")

    def _texts(self) -> list[str]:
        return texts_of(self.options.text_lengths, self.texts[self.options.texts])

    def _asked(self) -> Asked:
        open_loop = self.options.load == OPEN
        rate_rps = float(self.options.requests_per_second) if open_loop else 0.0
        return Asked(rate_rps, ARRIVALS[self.options.arrivals], SEED)


@events.init.add_listener
def prepare(environment: Environment, runner: Runner, web_ui: WebUI, **_: Any) -> None:
    session = Session(environment, runner)
    add_study_page(web_ui, session.study, session.options)
    environment.events.test_start.add_listener(lambda **_: session.begin())
    environment.events.test_stop.add_listener(lambda **_: session.end())
    gevent.spawn(session.keep_asking)


def _user_classes(names: Mapping[str, str]) -> dict[str, LiveLoad]:
    """By contender; names are readable ones."""
    known, loads = discover(), dict[str, LiveLoad]()
    for name, shown in names.items():
        contender = known[name]
        loads[name] = load = LiveLoad(name, wire_of(contender), 10.0)
        # The class picker shows the host beside the name; these users take it from the study.
        about = {"__module__": __name__, "load": load, "host": contender.summary}
        globals()[shown] = type(shown, (OfContender,), about)
    return loads


BY_CONTENDER = _user_classes(TOLD.get("user_classes", {}))
