"""What is read of the machine around a slice."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from loadtests.host.cores import available_cores
from loadtests.host.pressure import CoreTimes
from loadtests.measure import machine
from loadtests.measure.machine import MachineWatch

CORES = {"server": (0,), "load": (1,)}
POLLS = """
import sys, time
for _ in sys.stdin:
    end = time.process_time() + 0.3
    while time.process_time() < end: pass
    print(flush=True)
"""
"""Uses 0.3 s of a core for each line that it is given, and nothing else."""


class FakeMachine:
    """A machine that is read twice, two seconds apart, with a core's seconds in between."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, during: CoreTimes) -> None:
        self.at_s = 0.0
        self.during = during
        self.trees = [{"idle": 5.0, "ends": 1.0}, {"idle": 5.1}]
        self.pressures_s: list[float | None] = [7.0, 7.5]
        monkeypatch.setattr(machine.time, "monotonic", lambda: self.at_s)
        monkeypatch.setattr(machine, "probe_ms", lambda cores: 10.0 if cores else None)
        monkeypatch.setattr(machine, "times_by_core", self.times)
        monkeypatch.setattr(machine, "cpu_pressure_s", lambda: self.pressures_s.pop(0))
        monkeypatch.setattr(machine, "cpu_s_of_trees", lambda _: self.trees.pop(0))

    def times(self) -> dict[int, CoreTimes]:
        zero = CoreTimes(0, 0, 0, 0)
        return {0: self.during if self.at_s else zero, 1: zero}


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeMachine:
    return FakeMachine(monkeypatch, CoreTimes(busy_s=0.5, idle_s=1.4, irq_s=0.04, steal_s=0.06))


def test_shares_are_of_the_time_between_the_readings(fake: FakeMachine) -> None:
    with MachineWatch({"idle": 1, "ends": 2}, CORES, [9.0] * 5) as watch:
        fake.at_s = 2.0
    state = watch.state
    assert (state.probe_ms, state.usual_probe_ms) == (10.0, 9.0)
    assert state.steal_share["server"] == pytest.approx(0.03)
    assert state.cpu_pressure_share == pytest.approx(0.25)
    assert state.idle_cpu_s == {"idle": pytest.approx(0.1)}
    assert state.idle_cpu_share == pytest.approx(0.05)


def test_the_pieces_of_work_are_those_timed_during_the_slice(fake: FakeMachine) -> None:
    class Sampler:
        at_s = -1.0

        def restart(self) -> None:
            self.at_s = fake.at_s

        def work_us(self) -> dict[str, float]:
            return {"json": fake.at_s - self.at_s}

    fake.at_s = 5.0
    sampler: Any = Sampler()
    with MachineWatch({}, CORES, speed=sampler) as watch:
        fake.at_s = 7.0
    assert watch.state.work_us == {"json": 2.0}


def test_a_core_whose_counters_stand_still_has_an_unknown_steal(fake: FakeMachine) -> None:
    with MachineWatch({}, CORES) as watch:
        fake.at_s = 2.0
    assert watch.state.steal_share["load"] is None


def test_what_cannot_be_read_is_not_known(fake: FakeMachine) -> None:
    fake.trees, fake.pressures_s = [{}, {}], [None, None]
    with MachineWatch({"idle": 1}, {"load": (1,)}) as watch:
        fake.at_s = 2.0
    state = watch.state
    assert state.probe_ms is state.usual_probe_ms is state.cpu_pressure_share is None
    assert state.idle_cpu_share is None
    assert "server" not in state.steal_share


@pytest.fixture
def two_contenders() -> Iterator[list[subprocess.Popen[str]]]:
    with ExitStack() as stack:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        command = [sys.executable, "-S", "-c", POLLS]
        yield [stack.enter_context(subprocess.Popen(command, text=True, **pipes)) for _ in range(2)]


def use_a_core(process: subprocess.Popen[str]) -> None:
    assert process.stdin
    assert process.stdout
    process.stdin.write("\n")
    process.stdin.flush()
    process.stdout.readline()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_contender_that_polls_is_told_from_one_that_is_quiet(
    two_contenders: list[subprocess.Popen[str]],
) -> None:
    for process in two_contenders:  # what they use to start is over
        use_a_core(process)
    polls, quiet = two_contenders
    cores = {"server": available_cores()[:1], "load": available_cores()[-1:]}
    with MachineWatch({"polls": polls.pid, "quiet": quiet.pid}, cores) as watch:
        use_a_core(polls)
    assert watch.state.idle_cpu_s["polls"] == pytest.approx(0.3, abs=0.05)
    assert watch.state.idle_cpu_s["quiet"] == 0
    assert watch.state.idle_cpu_share is not None
    assert watch.state.idle_cpu_share > 0
