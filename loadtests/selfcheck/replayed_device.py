"""How exactly a simulated device keeps to its curve on this machine.

`python -m loadtests.selfcheck.replayed_device --seconds 3` makes passes back to back on the cores
that a server gets: alone, from two threads, and from two processes that share one device. The
answers are not looked up from a model: nothing but time is checked. The first lines are no passes:
they show how late the machine makes a loop that only reads the clock. Exit code 1 where the median
is off by more than 2 %, P99 by more than 5 %, or passes that share a device overlap.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from loadtests.host.cores import available_cores, running_on, split_cores
from loadtests.host.locks import machine_lock_path, measuring
from loadtests.records.device_curve import PASS_P50_BOUND, PASS_P99_BOUND
from loadtests.records.markdown import table
from servers.classifier.answers import ReferenceAnswers
from servers.classifier.replay_engine import SimulatedDevice
from servers.device_curve import CurvePoint, DeviceCurve
from servers.device_queue import DeviceQueue

RATE_BOUND = 0.02
LEAST_PASSES, N_LEARNED = 100, 20
HEAD = (
    *("simulated pass", "callers", "passes", "passes/s", "P50 error", "P99 error"),
    *("most", "CPU beyond the host's", "device busy"),
)


@dataclass(frozen=True)
class Case:
    """A pass that takes pass_s, of which the host works host_s, from so many callers at a time.
    control: no pass, but a loop that reads the clock for as long."""

    pass_s: float
    host_s: float
    callers: int = 1
    processes: bool = False
    control: bool = False

    def __str__(self) -> str:
        if self.control:
            return f"none: {self.pass_s * 1000:g} ms by the clock"
        return f"{self.pass_s * 1000:g} ms, host {self.host_s * 1000:g} ms"

    @property
    def who(self) -> str:
        if self.callers == 1:
            return "1"
        return f"{self.callers} {'processes' if self.processes else 'threads'}"


CASES = (
    *(Case(0.0005, 0.0, control=True), Case(0.002, 0.0, control=True)),
    *(Case(0.0005, 0.0), Case(0.0005, 0.0001), Case(0.00067, 0.00025), Case(0.002, 0.0005)),
    *(Case(0.01, 0.001), Case(0.004, 0.004), Case(0.03, 0.03)),
    *(Case(0.001, 0.0, 2), Case(0.001, 0.0001, 2, True), Case(0.004, 0.0005, 2, True)),
)


@dataclass(frozen=True)
class Passes:
    """What one caller saw: seconds a pass, CPU seconds of its thread in all, and when it was at
    work."""

    taken_s: Sequence[float]
    cpu_s: float
    began_s: float
    ended_s: float


def passes(case: Case, file: Path, seconds: float) -> Passes:
    """Back to back, for so long, on the device that the file stands for."""
    points = [CurvePoint(16, size, case.pass_s, case.host_s) for size in (1, 2)]
    curve = DeviceCurve(
        *("check", "none", "fp32", "none", "none", "this self-check", False, 0.0, "given"),
        tuple(points),
    )
    device = SimulatedDevice(curve, ReferenceAnswers([], 2), DeviceQueue(file))
    no_tokens = np.zeros((1, 16), dtype=np.int64)
    make: Callable[[], object] = partial(device.infer, no_tokens, no_tokens)
    for _ in range(N_LEARNED):  # so that it knows how late this machine wakes it
        make()
    if case.control:
        make = partial(_by_the_clock, case.pass_s)
    taken_s: list[float] = []
    cpu_before_s, began_s = time.thread_time(), time.monotonic()
    ended_s = began_s
    while ended_s < began_s + seconds or len(taken_s) < LEAST_PASSES:
        make()
        now_s = time.monotonic()
        taken_s.append(now_s - ended_s)
        ended_s = now_s
    return Passes(taken_s, time.thread_time() - cpu_before_s, began_s, ended_s)


def _by_the_clock(length_s: float) -> None:
    end_s = time.monotonic() + length_s
    while time.monotonic() < end_s:
        pass


@dataclass(frozen=True)
class Found:
    case: Case
    callers: Sequence[Passes]
    busy_share: float

    @property
    def n_passes(self) -> int:
        return sum(len(each.taken_s) for each in self.callers)

    @property
    def rate(self) -> float:
        """Passes a second while all callers were at work."""
        began_s = max(each.began_s for each in self.callers)
        ended_s = min(each.ended_s for each in self.callers)
        ends = np.concatenate([each.began_s + np.cumsum(each.taken_s) for each in self.callers])
        return float(((ends > began_s) & (ends <= ended_s + 1e-6)).sum() / (ended_s - began_s))

    @property
    def errors(self) -> tuple[float, float, float]:
        """P50, P99 and the largest, over what a caller has to wait for: its own pass and those of
        the others before it."""
        taken_s = np.concatenate([each.taken_s for each in self.callers])
        alone_s = self.case.pass_s * self.case.callers
        p50, p99, most = np.percentile(taken_s, (50, 99, 100)) / alone_s - 1
        return float(p50), float(p99), float(most)

    @property
    def cpu_beyond(self) -> float:
        """Share of a core, beside the host's part."""
        used_s = sum(each.cpu_s for each in self.callers)
        lasted_s = max(each.ended_s - each.began_s for each in self.callers)
        return (used_s - self.n_passes * self.case.host_s) / lasted_s

    @property
    def problem(self) -> str:
        if self.case.control:
            return ""
        p50, p99, _ = self.errors
        if self.rate * self.case.pass_s > 1 + RATE_BOUND:
            return "passes overlap"
        if abs(p50) > PASS_P50_BOUND:
            return "P50"
        return "P99" if self.case.callers == 1 and abs(p99) > PASS_P99_BOUND else ""

    def row(self) -> list[str]:
        p50, p99, most = (f"{each:+.2%}" for each in self.errors)
        return [
            *(str(self.case), self.case.who, f"{self.n_passes:,}", f"{self.rate:,.0f}"),
            *(p50, p99, most, f"{self.cpu_beyond:.1%}", f"{self.busy_share:.1%}"),
        ]


def checked(case: Case, seconds: float) -> Found:
    with tempfile.TemporaryDirectory(prefix="study-device-") as folder:
        file = Path(folder) / "device"
        queue = DeviceQueue(file)
        if case.callers == 1:
            callers = [passes(case, file, seconds)]
        else:
            with _executor(case) as at_once:
                jobs = [at_once.submit(passes, case, file, seconds) for _ in range(case.callers)]
                callers = [job.result() for job in jobs]
        began_s = min(each.began_s for each in callers)
        busy_s = queue.reading().busy_s - case.callers * N_LEARNED * case.pass_s
        queue.close()
        ended_s = max(each.ended_s for each in callers)
    return Found(case, callers, min(1.0, busy_s / (ended_s - began_s)))


def _executor(case: Case) -> Executor:
    if case.processes:
        return ProcessPoolExecutor(case.callers, mp_context=get_context("spawn"))
    return ThreadPoolExecutor(case.callers)


def report(found: Sequence[Found], say: Callable[[str], None]) -> int:
    """The table, and the exit code."""
    say(table(HEAD, [each.row() for each in found], 2))
    for each in found:
        if each.problem:
            say(f"not within bounds: {each.case}, {each.case.who}: {each.problem}")
    return int(any(each.problem for each in found))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0, help="for each line")
    seconds = parser.parse_args(arguments).seconds
    server = split_cores(available_cores(), 1)["server"]
    with measuring("loadtests.selfcheck.replayed_device", print, machine_lock_path()):
        print(f"on core {', '.join(map(str, server))}; bounds: P50 2 %, P99 5 %", flush=True)
        with running_on(server):
            found = [checked(case, seconds) for case in CASES]
    sys.exit(report(found, print))


if __name__ == "__main__":
    main()
