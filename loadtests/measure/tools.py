"""What a run does to the world outside it: one field a thing, so that a test can pass fakes."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Protocol as Interface

from loadtests.generator.schedule import Schedule
from loadtests.host.memory import Memory, memory_left
from loadtests.host.nvml import Gpu
from loadtests.host.speed_sampler import SpeedSampler
from loadtests.launch.artefacts import Artefacts, prepare
from loadtests.launch.parity import ParityComparison, check_answers
from loadtests.launch.server import RunningServer, launched
from loadtests.measure.engines import EngineBench, WantedEngine, measured_engines
from loadtests.measure.locust_process import LoadGenerator
from loadtests.measure.replay import Attempt, replay
from loadtests.plan.rounds import PlannedTrial
from loadtests.records.engines import EngineFacts
from loadtests.records.trials import TrialRecord
from loadtests.spec.experiment import Experiment
from loadtests.wire.address import Address
from loadtests.wire.texts import TrafficText


class Progress(Interface):
    """Is told what happens, in order; who prints it is elsewhere. rounds: how many there
    will be, as things look; left_s: until the run ends."""

    def begins(self, left_s: float) -> None: ...
    def engine_underway(self, line: str, left_s: float) -> None: ...
    def engine_measured(self, facts: EngineFacts, left_s: float) -> None: ...
    def starting(self, contender: str, left_s: float) -> None: ...
    def slice_finished(self, record: TrialRecord, rounds: int, left_s: float) -> None: ...
    def round_finished(self, number: int, left_s: float) -> None: ...


@dataclass(frozen=True)
class Tools:
    """cache: where what prepare makes is kept. alone: held while this machine measures; its
    argument bounds the wait for it."""

    cache: Path
    say: Callable[[str], None]
    watch: Callable[["RunContext"], AbstractContextManager[Progress]]
    alone: Callable[[float], AbstractContextManager[None]]
    clock: Callable[[], float] = time.monotonic
    now: Callable[[], datetime] = partial(datetime.now, UTC)
    prepare: Callable[..., Artefacts] = prepare
    launch: Callable[..., AbstractContextManager[RunningServer]] = launched
    memory: Callable[[Gpu | None], Memory] = memory_left
    ask: Callable[[Address, Sequence[TrafficText]], list[ParityComparison]] = check_answers
    replay: Callable[[PlannedTrial, RunningServer, Schedule, "RunContext"], Attempt] = replay
    measure_engines: Callable[
        [Sequence[WantedEngine], EngineBench, Callable[[str], None]], Iterator[EngineFacts]
    ] = measured_engines


@dataclass(frozen=True)
class RunContext:
    """Everything a slice needs beside its own plan. residents: by contender that is up, the root of
    its processes. probes_ms: of the machine, before each slice so far; speed: of the
    server's cores, in each of them."""

    folder: Path
    experiment: Experiment
    artefacts: Artefacts
    cores: Mapping[str, tuple[int, ...]]
    gpu: Gpu | None
    run_id: str | None
    tools: Tools
    generator: LoadGenerator
    residents: Mapping[str, int] = field(default_factory=dict)
    probes_ms: Sequence[float] = ()
    speed: SpeedSampler | None = None
