"""A machine on which nothing runs, behind the same tools as the real one."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from loadtests.generator.schedule import Schedule
from loadtests.host.memory import Memory
from loadtests.host.time_up import TimeUp
from loadtests.launch.artefacts import Artefacts
from loadtests.launch.parity import ParityComparison
from loadtests.launch.server import LaunchError, Ports, RunningServer
from loadtests.measure.engines import EngineBench, WantedEngine
from loadtests.measure.replay import Attempt
from loadtests.measure.tools import RunContext, Tools
from loadtests.plan.rounds import PlannedTrial
from loadtests.plan.time_budget import CLOSING_S
from loadtests.records.engines import EngineFacts
from loadtests.records.predictions import Predict
from loadtests.records.steady_state import steady_state
from loadtests.records.trials import MachineState, TrialRecord
from loadtests.run.flow import run_study
from loadtests.run.options import RunOptions
from loadtests.spec.experiment import Experiment
from loadtests.wire.address import Address
from loadtests.wire.formats import Answer
from loadtests.wire.texts import TrafficText
from servers.discovery import Contender

GIB = 2**30
ON_TIME = {"lag_ms": 0.01, "foreign_share": 0.0}
N_ROWS = 8


@dataclass
class Machine:
    """Starts and trials take time on its clock, and nothing else does. Up to its capacity a
    contender answers at once; above it, after ten seconds.

    slices: what befalls the slices to come, an exception or what is not as in ON_TIME. holds: how
    many contenders its memory holds.
    """

    start_s: Mapping[str, float] = field(default_factory=dict)
    usual_start_s: float = 5.0
    around_slice_s: float = 0.5
    capacity_rps: Mapping[str, float] = field(default_factory=dict)
    restarts: Mapping[str, str] = field(default_factory=dict)
    slices: list[Exception | dict[str, float]] = field(default_factory=list)
    now_s: float = 0.0
    until_s: float = math.inf
    started: list[str] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)
    cut: list[str] = field(default_factory=list)
    holds: int | None = None
    up_during: dict[str, list[str]] = field(default_factory=dict)

    def clock(self) -> float:
        return self.now_s

    @property
    def running(self) -> list[str]:
        return [name for name in dict.fromkeys(self.started) if self._is_up(name)]

    def _is_up(self, name: str) -> bool:
        return self.started.count(name) > self.stopped.count(name)

    def memory(self, _: object) -> Memory:
        n_left = 100 if self.holds is None else self.holds - len(self.running)
        return Memory(n_left * GIB)

    @contextmanager
    def launch(
        self, contender: Contender, *, ready_within_s: float, log: Path, **_: object
    ) -> Iterator[RunningServer]:
        start_s = self.start_s.get(contender.name, self.usual_start_s)
        self.now_s += min(start_s, ready_within_s)
        if start_s > ready_within_s:
            raise LaunchError(f"{contender.name} did not answer in time.", ("its last words",))
        log.touch()
        address = Address(contender.protocol, "127.0.0.1", 1)
        server = RunningServer(contender, address, Ports(1, {}), None, log)
        server.startup_s = start_s
        if contender.name not in self.started:
            server.restarts_file = log.with_suffix(".restarts")
        self.started.append(contender.name)
        try:
            yield server
        finally:
            self.stopped.append(contender.name)

    def ask(self, _: Address, expected: Sequence[TrafficText]) -> list[ParityComparison]:
        return [ParityComparison(text, Answer(text.label, text.confidence)) for text in expected]

    def replay(
        self, trial: PlannedTrial, server: RunningServer, schedule: Schedule, run: RunContext
    ) -> Attempt:
        length_s = trial.phases.warmup_s + trial.phases.steady_s + self.around_slice_s
        left_s = self.until_s - self.now_s
        self.now_s += min(length_s, left_s)
        self.up_during[trial.trial_id] = self.running
        if length_s > left_s:
            self.cut.append(trial.trial_id)
            raise TimeUp
        if server.restarts_file and trial.contender.name in self.restarts:
            server.restarts_file.write_text(self.restarts[trial.contender.name], encoding="utf-8")
        what = self.slices.pop(0) if self.slices else {}
        if isinstance(what, Exception):
            raise what
        seen = ON_TIME | what
        capacity_rps = self.capacity_rps.get(trial.contender.name, math.inf)
        overloaded = (trial.level.rate_rps or 0.0) > capacity_rps
        rows = _rows(trial, 10.0 if overloaded else 0.001, seen["lag_ms"] / 1000)
        share = {"server": seen["foreign_share"], "load": 0.0}
        telemetry = pd.DataFrame({"t_s": [0.0]})
        lag_ms = (
            steady_state(rows, trial.phases).send_lag_p99_ms if trial.level.mode == "open" else None
        )
        now = run.tools.now().isoformat(timespec="seconds")
        return Attempt(now, rows, lag_ms, share, MachineState(), telemetry, {}, None, None, {})

    def measure_engines(
        self, wanted: Sequence[WantedEngine], bench: EngineBench, say: Callable[[str], None]
    ) -> Iterator[EngineFacts]:
        for what in wanted:
            self.now_s += 30.0
            yield EngineFacts(what.engine, what.placement, what.used_by, False, "no engine here")


def _rows(trial: PlannedTrial, latency_s: float, lag_s: float) -> pd.DataFrame:
    scheduled_s = trial.phases.warmup_s + pd.Series(range(N_ROWS)) * 1e-6
    return pd.DataFrame(
        {
            "request_index": range(N_ROWS),
            "text_id": 0,
            "n_tokens": 4,
            "phase": "steady",
            "scheduled_s": scheduled_s,
            "sent_s": scheduled_s + lag_s,
            "done_s": scheduled_s + latency_s,
            "status": "ok",
            "worker": 0,
            "label": None,
            "confidence": None,
        }
    )


@dataclass
class Heard:
    """A progress that remembers, and interrupts the run after some trials where asked to."""

    stop_after: int | None = None
    finished: list[str] = field(default_factory=list)
    records: list[TrialRecord] = field(default_factory=list)
    left_s: list[float] = field(default_factory=list)
    rounds: list[int] = field(default_factory=list)
    rounds_expected: list[int] = field(default_factory=list)
    order: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    reported: list[Path] = field(default_factory=list)
    texts: str | None = None

    def engine_underway(self, line: str, left_s: float) -> None: ...
    def starting(self, contender: str, left_s: float) -> None: ...

    def begins(self, left_s: float) -> None:
        self.left_s.append(left_s)

    def engine_measured(self, facts: EngineFacts, left_s: float) -> None:
        self.order.append(facts.engine)

    def slice_finished(self, record: TrialRecord, rounds: int, left_s: float) -> None:
        self.finished.append(record.trial_id)
        self.rounds_expected.append(rounds)
        self.order.append(record.trial_id)
        self.records.append(record)
        self.left_s.append(left_s)
        if len(self.finished) == self.stop_after:
            raise KeyboardInterrupt

    def round_finished(self, number: int, left_s: float) -> None:
        self.rounds.append(number)


@pytest.fixture
def machine() -> Callable[..., Machine]:
    return Machine


@pytest.fixture
def study(tmp_path: Path) -> Callable[..., Heard]:
    """Runs an experiment on a machine, or continues its run; what was heard of it."""

    def start(
        machine: Machine,
        experiment: Experiment | Callable[[], Experiment],
        budget_s: float | None = None,
        heard: Heard | None = None,
        run_dir: Path | None = None,
        one_at_a_time: bool = False,
        predict: Predict | None = None,
        **changes: Any,
    ) -> Heard:
        heard = heard or Heard()
        texts = [TrafficText(0, "hello", 4, "null", 1.0)]
        artefacts = Artefacts(tmp_path, tmp_path, texts, {}, {})

        def prepare(model: str, texts: str | None, *_: object) -> Artefacts:
            heard.texts = texts
            return artefacts

        fakes: dict[str, Any] = {
            "clock": machine.clock,
            "prepare": prepare,
            "launch": machine.launch,
            "ask": machine.ask,
            "memory": machine.memory,
            "replay": machine.replay,
            "measure_engines": machine.measure_engines,
        }
        tools = Tools(
            tmp_path,
            heard.said.append,
            lambda _: nullcontext(heard),
            lambda _: nullcontext(),
            **(fakes | changes),
        )
        if budget_s is not None:
            machine.until_s = machine.now_s + budget_s
            budget_s += CLOSING_S
        results = tmp_path / "results"
        begun = run_dir or (next(results.iterdir()) if results.is_dir() else None)
        read = experiment if callable(experiment) else lambda: experiment
        options = RunOptions(
            *(read, results, "study run", begun, machine.now_s, budget_s),
            one_at_a_time=one_at_a_time,
        )
        run_study(options, tools, predict, heard.reported.append)
        return heard

    return start


@pytest.fixture
def heard_until() -> Callable[..., Heard]:
    """A progress that interrupts the run after so many trials."""
    return Heard
