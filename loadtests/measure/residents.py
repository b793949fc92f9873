"""The contenders that are up: started, their answers compared, and kept until the end."""

import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from loadtests.host.memory import Memory
from loadtests.host.pausing import paused
from loadtests.host.process_group import family_of
from loadtests.host.process_trees import cpu_s_of_trees
from loadtests.launch.parity import ParityComparison, expected_answers
from loadtests.launch.server import LaunchError, RunningServer
from loadtests.measure.tools import RunContext
from loadtests.wire.probe import ProbeError
from servers.discovery import Contender
from servers.launch_args import READY_WITHIN_S

KEPT_FREE_SHARE = 0.1
"""Of the memory of host and GPU. Beyond it the kernel evicts pages or ends processes, and either
would be measured."""

RESTLESS_SHARE = 0.03
"""Of a core, without load. LitServe as it comes polls, and had 0.13; each of thirteen others had at
most 0.007. Two such would exceed IDLE_SHARE, and no slice could be used."""

WATCH_S = 1.0


@dataclass(frozen=True)
class Started:
    """A contender and its answers before the load; error: it is not ready, or does not answer."""

    log: Path
    server: RunningServer | None = None
    answers: Sequence[ParityComparison] = ()
    error: LaunchError | ProbeError | None = None

    def ready(self) -> RunningServer:
        """Returns the server, or raises the error for which it cannot be measured."""
        if self.error is not None:
            raise self.error
        assert self.server is not None
        return self.server

    def broke_down(self) -> bool:
        """Whether it was ready and then ended, or restarted a part of itself."""
        if self.error is not None:
            return False
        return not self.ready().alive() or self.ready().broken() is not None


@dataclass
class Residents:
    """Contenders by name, each in a process of its own; all are stopped when this block ends.

    one_at_a_time: each is started for its slice and stopped after it. ready_within_s bounds each
    start. restless: the contenders that are paused between their slices, with the share of a core
    that each took without load.
    """

    context: RunContext
    one_at_a_time: bool = False
    ready_within_s: float = READY_WITHIN_S
    restless: dict[str, float] = field(default_factory=dict)
    _started: dict[str, Started] = field(default_factory=dict)
    _running: dict[str, ExitStack] = field(default_factory=dict)
    _paused: dict[str, ExitStack] = field(default_factory=dict)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for name in list(self._paused):
            self._wake(name)
        # All at once: some take seconds, and Ctrl-C should not take them one after the other.
        with ThreadPoolExecutor(max(1, len(self._running))) as at_once:
            stopped = [at_once.submit(running.close) for running in self._running.values()]
        self._running.clear()
        for each in stopped:
            each.result()

    def start(self, contenders: Sequence[Contender]) -> Iterator[str]:
        """Starts as many as the memory holds, at least the first two; each by name once it is up,
        or has failed to be."""
        largest = Memory()
        for k, contender in enumerate(contenders):
            before = self.context.tools.memory(self.context.gpu)
            if k > 1 and not self.one_at_a_time and not before.holds(largest, KEPT_FREE_SHARE):
                return
            if not self.one_at_a_time:
                self._start(contender)
                largest = largest.largest(before.less(self.context.tools.memory(self.context.gpu)))
            yield contender.name

    def pause_restless(self) -> None:
        """Pauses those that work without load: they would take CPU time from the one under load."""
        before, pids = self._cpu_s(), self.pids()
        if pids:
            time.sleep(WATCH_S)
        for name, cpu_s in self._cpu_s().items():
            share = (cpu_s - before.get(name, cpu_s)) / WATCH_S
            if share > RESTLESS_SHARE:
                self.restless[name] = share
                self._pause(name)

    @contextmanager
    def serving(self, contender: Contender, anew: bool = False) -> Iterator[Started]:
        """The contender, for one slice. One that broke down is started again; with anew, so is
        any."""
        name = contender.name
        self._wake(name)
        if name in self._running and (anew or self._started[name].broke_down()):
            self._stop(name)
        if name not in self._running:
            self._start(contender)
        try:
            yield self._started[name]
        finally:
            if self.one_at_a_time:
                self._stop(name)
            elif name in self.restless:
                self._pause(name)

    def pids(self) -> Mapping[str, int]:
        """The root process of each contender by name; external ones have none here."""
        servers = {name: each.server for name, each in self._started.items()}
        return {name: server.pid for name, server in servers.items() if server and server.pid}

    def _start(self, contender: Contender) -> None:
        run = self.context
        log = run.folder / "trials" / f".{contender.name}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        running = ExitStack()
        # Before the launch: whatever cuts it off, what it left is found and stopped.
        self._running[contender.name] = running
        server, answers = None, list[ParityComparison]()
        failed: LaunchError | ProbeError | None = None
        try:
            server = running.enter_context(
                run.tools.launch(
                    contender,
                    model_dir=run.artefacts.model_dir,
                    cores=run.cores["server"],
                    log=log,
                    ready_within_s=self.ready_within_s,
                )
            )
            expected = expected_answers(contender, run.artefacts.texts)
            answers = run.tools.ask(server.address, expected)
        except (LaunchError, ProbeError) as error:
            failed = error
        self._started[contender.name] = Started(log, server, answers, failed)

    def _cpu_s(self) -> Mapping[str, float]:
        return cpu_s_of_trees(self.pids())

    def _pause(self, name: str) -> None:
        server = self._started[name].server
        if server and server.process:
            self._paused[name] = pause = ExitStack()
            family = {each.pid for each in family_of(server.process)}
            pause.enter_context(paused({server.process.pid, *family}))

    def _wake(self, name: str) -> None:
        self._paused.pop(name, ExitStack()).close()

    def _stop(self, name: str) -> None:
        self._started.pop(name, None)
        self._running.pop(name).close()
