"""A paused process gets no CPU time, and goes on afterwards however the pause ends."""

import subprocess
import sys
import time
from collections.abc import Iterator

import psutil
import pytest

from loadtests.host.pausing import paused

HOLDS_AND_DIES = """
import os, sys
from loadtests.host.pausing import paused
with paused([int(sys.argv[1])]):
    os._exit(1)
"""


@pytest.fixture
def busy() -> Iterator[psutil.Process]:
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as process:
        yield psutil.Process(process.pid)
        process.kill()


def cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def until_it_is_stopped(process: psutil.Process) -> None:
    """A signal takes effect a moment after it was sent."""
    until_s = time.monotonic() + 30
    while process.status() != psutil.STATUS_STOPPED:
        assert time.monotonic() < until_s, "it is not stopped"
        time.sleep(0.001)


def until_it_works(process: psutil.Process) -> None:
    """Returns once it got CPU time."""
    had_s, until_s = cpu_s(process), time.monotonic() + 30
    while cpu_s(process) == had_s:
        assert time.monotonic() < until_s, "it gets no CPU time"
        time.sleep(0.01)


def test_a_paused_process_gets_no_cpu_time_and_goes_on_afterwards(busy: psutil.Process) -> None:
    until_it_works(busy)
    with paused([busy.pid]):
        until_it_is_stopped(busy)
        had_s = cpu_s(busy)
        time.sleep(0.3)
        assert cpu_s(busy) == had_s
    until_it_works(busy)


def test_a_process_goes_on_where_the_program_that_paused_it_died(busy: psutil.Process) -> None:
    subprocess.run([sys.executable, "-c", HOLDS_AND_DIES, str(busy.pid)], check=False)
    until_it_works(busy)


def test_processes_that_have_ended_are_left_out(busy: psutil.Process) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    with paused([ended.pid, busy.pid]):
        until_it_is_stopped(busy)
