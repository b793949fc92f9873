"""Keeps an embedded Triton running: what has died is noticed, said, and started again."""

import os
import select
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from servers.placement import EngineUnavailableError
from servers.triton_service.process import TritonError, TritonServer

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 4.0
MOST_RESTARTS, WITHIN_S = 5, 600.0

Problem = TritonError | EngineUnavailableError


def pause_s(restarts_s: Sequence[float], now_s: float) -> float | None:
    """How long to wait before the next restart, after those at restarts_s; None: no more."""
    recent = sum(now_s - at_s < WITHIN_S for at_s in restarts_s)
    if recent >= MOST_RESTARTS:
        return None
    return min(FIRST_PAUSE_S * 2.0**recent, LONGEST_PAUSE_S)


class Supervisor:
    """One Triton after the other, as a context manager; what ends it for good is raised at its end.

    make returns a server that is not started; check raises TritonError where a started one does not
    answer. What happens is written to stderr and to the file notes, a line each; on_end is called
    when Triton is given up. Restarts come from a thread, which must outlive what it has started:
    the kernel ends a child that asked for it with the thread that started it.
    """

    def __init__(
        self,
        make: Callable[[], TritonServer],
        notes: Path,
        check: Callable[[TritonServer], None] = lambda _: None,
        on_end: Callable[[], None] = lambda: None,
    ) -> None:
        self._make = make
        self._notes = notes
        self._check = check
        self._on_end = on_end
        self._lock = threading.Lock()  # no start once the stop has begun
        self._stopping = threading.Event()
        self._stop_fd = os.eventfd(0)  # the same, for a thread that waits for processes as well
        self._ended = threading.Event()
        self._starting: TritonServer | None = None
        self._running = ExitStack()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._keep_running, daemon=True)

    def __enter__(self) -> Self:
        self._start()
        self._thread.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._lock:
            self._stopping.set()
            os.eventfd_write(self._stop_fd, 1)
            if self._starting is not None:
                self._starting.kill()
        self._thread.join()
        os.close(self._stop_fd)
        if self._failure is not None:
            raise self._failure from None

    def wait(self) -> None:
        """Returns when Triton is given up."""
        self._ended.wait()  # a join that a signal interrupts takes the thread for ended

    def _start(self) -> None:
        with ExitStack() as stack:
            with self._lock:
                if self._stopping.is_set():
                    return
                self._starting = self._server = stack.enter_context(self._make())
            self._server.wait_until_ready()
            self._check(self._server)
            self._stubs = _children(self._server.pid)
            self._starting = None
            self._running = stack.pop_all()

    def _keep_running(self) -> None:
        try:
            self._restart_as_needed()
        except BaseException as error:
            self._failure = error
            self._on_end()
        finally:
            self._running.close()
            self._ended.set()

    def _restart_as_needed(self) -> None:
        restarts_s: list[float] = []
        problem = self._next_problem()
        while problem is not None:
            now_s = time.monotonic()
            wait_s = pause_s(restarts_s, now_s)
            if wait_s is None:
                raise TritonError(
                    f"expected Triton to stay up after {MOST_RESTARTS} restarts in "
                    f"{WITHIN_S / 60:g} min, found it down again: {problem}"
                )
            self._tell(f"Triton is started again in {wait_s:g} s: {problem}")
            self._server.kill()  # one that misses a Python process would take its time to stop
            self._running.close()
            if self._stopping.wait(wait_s):
                return
            restarts_s.append(time.monotonic())
            problem = self._restarted() or self._next_problem()

    def _restarted(self) -> Problem | None:
        """Starts Triton; returns what went wrong."""
        begin_s = time.monotonic()
        try:
            self._start()
        except (TritonError, EngineUnavailableError) as problem:
            return problem
        if not self._stopping.is_set():
            self._tell(f"Triton is ready again after {time.monotonic() - begin_s:.1f} s.")
        return None

    def _next_problem(self) -> Problem | None:
        """Returns when something has died; None when the stop has begun."""
        _wait_for_an_end([self._server.pid, *self._stubs], self._stop_fd)
        if self._stopping.is_set():
            return None
        if self._server.has_ended():
            return self._server.ended()
        dead = [pid for pid in self._stubs if _has_ended(pid)]
        return TritonError(
            f"expected Triton's {len(self._stubs)} Python processes to keep running, "
            f"found {len(dead)} dead."
        )

    def _tell(self, line: str) -> None:
        print(line, file=sys.stderr, flush=True)
        with self._notes.open("a", encoding="utf-8") as notes:
            notes.write(f"{line}\n")


def _children(pid: int) -> list[int]:
    try:
        return [child.pid for child in psutil.Process(pid).children()]
    except psutil.NoSuchProcess:
        return []


def _wait_for_an_end(pids: Sequence[int], stop_fd: int) -> None:
    """Returns when one of the processes has ended, or stop_fd is written to. Asleep until then: a
    contender that is not under load must not take time from the one that is."""
    waiting = select.poll()
    waiting.register(stop_fd, select.POLLIN)
    with ExitStack() as stack:
        for pid in pids:
            try:
                process_fd = os.pidfd_open(pid)
            except ProcessLookupError:
                return
            stack.callback(os.close, process_fd)
            waiting.register(process_fd, select.POLLIN)
        waiting.poll()


def _has_ended(pid: int) -> bool:
    with suppress(psutil.NoSuchProcess):
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    return True
