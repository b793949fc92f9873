"""The contenders of a session: up from its beginning to its end, lent to comparisons."""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from loadtests.host.pausing import paused
from loadtests.host.process_group import family_of
from loadtests.launch.server import RunningServer, launched
from loadtests.live.view import Shown
from loadtests.live.watch import ServerSide
from loadtests.measure.residents import Residents, Started
from servers.discovery import Contender

Launch = Callable[..., Any]

MOST_STARTS, WITHIN_S = 3, 120.0
"""One that ends more often is left alone: starting it again for ever helps nobody."""


class Fleet:
    """Used by the main thread, which must start whatever shall end with it, and read by others."""

    def __init__(self, contenders: Mapping[str, Contender], residents: Residents) -> None:
        self._contenders, self._residents = contenders, residents
        self._starts: dict[str, list[float]] = {name: [] for name in contenders}
        self._shown = {name: ("starting", "") for name in contenders}
        self._up: dict[str, RunningServer] = {}
        self.server_sides: Callable[[], Mapping[str, ServerSide]] = dict
        self.gpu: Callable[[], str] = str

    def start(self) -> Iterator[str]:
        """As many as the memory holds, each by name once it is up or has failed to be."""
        for name in self._residents.start(list(self._contenders.values())):
            self._bring_up(self._contenders[name])
            yield name
        for name, (state, _) in self._shown.items():
            if state == "starting":
                self._shown[name] = "down", "the memory does not hold it beside the others."

    def tend(self) -> str:
        """Starts again what ended; a sentence about it, or nothing."""
        for name, server in list(self._up.items()):
            if server.alive() and server.broken() is None:
                continue
            why = server.broken() or f"{name} ended by itself"
            del self._up[name]
            now_s = time.monotonic()
            recent = [at_s for at_s in self._starts[name] if now_s - at_s < WITHIN_S]
            if len(recent) >= MOST_STARTS:
                self._shown[name] = "down", f"{why}, {len(recent)} times within two minutes."
                return f"{why} again and again: it is left alone."
            self._shown[name] = "starting", f"{why}; it is started again."
            self._bring_up(self._contenders[name], anew=True)
            return f"{why}; it was started again."
        return ""

    def up(self) -> Mapping[str, RunningServer]:
        return dict(self._up)

    def names_up(self) -> Sequence[str]:
        return [name for name in self._contenders if name in self._up]

    def all(self) -> Sequence[Shown]:
        sides = self.server_sides()
        return [
            Shown(
                *(name, each.protocol, each.summary, *self._shown[name]),
                sides.get(name, ServerSide()),
            )
            for name, each in self._contenders.items()
        ]

    def where(self) -> Mapping[str, tuple[str, int] | None]:
        up = dict(self._up)
        return {
            name: (up[name].address.host, up[name].address.port) if name in up else None
            for name in self._contenders
        }

    @contextmanager
    def lend(self, contender: Contender, *, log: Path, **more: Any) -> Iterator[RunningServer]:
        """In the place of loadtests.launch.server.launched, for a run: a contender of the session
        is the one that is up, and stays up; any other is started and stopped."""
        if contender.name not in self._contenders:
            with launched(contender, log=log, **more) as server:
                yield server
            return
        with self._residents.serving(contender) as started:
            server = started.ready()
            self._take(contender.name, started)
            with suppress(OSError):  # another file system: then the run has no copy of it
                log.unlink(missing_ok=True)
                os.link(server.log, log)
            yield server

    @contextmanager
    def others_paused(self, names: Sequence[str]) -> Iterator[None]:
        """The contenders that take no part get no CPU time in this block."""
        with ExitStack() as stack:
            for name, server in self.up().items():
                if name not in names and server.process:
                    family = {each.pid for each in family_of(server.process)}
                    stack.enter_context(paused({server.process.pid, *family}))
            yield

    def _bring_up(self, contender: Contender, anew: bool = False) -> None:
        self._starts[contender.name].append(time.monotonic())
        with self._residents.serving(contender, anew) as started:
            self._take(contender.name, started)

    def _take(self, name: str, started: Started) -> None:
        if started.error is None:
            self._up[name] = started.ready()
            self._shown[name] = "ready", ""
        else:
            self._up.pop(name, None)
            self._shown[name] = "down", str(started.error)
