"""Readings of /proc: what is there, and what is not there."""

import sys
from pathlib import Path

import pytest

from loadtests.host.pressure import (
    TICKS_PER_S,
    CoreTimes,
    RunQueueWaits,
    cpu_pressure_s,
    times_by_core,
    total_times,
)

STAT = """cpu  30 3 12 60 9 3 6 12 0 0
cpu0 10 1 4 20 3 1 2 4 0 0
cpu2 20 2 8 40 6 2 4 8 5 0
intr 7 0 0
"""


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    (tmp_path / "stat").write_text(STAT)
    (tmp_path / "pressure").mkdir()
    (tmp_path / "pressure/cpu").write_text(
        "some avg10=1.08 avg60=0.22 avg300=0.30 total=541308203\n"
        "full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"
    )
    return tmp_path


def wait(proc: Path, pid: int, tid: int, waited_ns: int) -> Path:
    path = proc / f"{pid}/task/{tid}/schedstat"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"900 {waited_ns} 12\n")
    return path


def test_cores_are_known_by_their_numbers_and_summed(proc: Path) -> None:
    by_core = times_by_core(proc)
    assert by_core[0] == CoreTimes(*(ticks / TICKS_PER_S for ticks in (15, 23, 3, 4)))
    total = total_times((0, 2), by_core)
    assert total is not None
    assert total.busy_s == pytest.approx(45 / TICKS_PER_S)
    assert total.steal_s == pytest.approx(12 / TICKS_PER_S)


def test_a_core_that_is_not_listed_makes_the_sum_unknown(proc: Path) -> None:
    assert total_times((0, 1), times_by_core(proc)) is None
    assert total_times((), times_by_core(proc)) is None


@pytest.mark.parametrize("text", ["", "cpu0 1 2 3\n", "cpu0 a b c d e f g h\n"])
def test_a_file_of_another_shape_says_nothing(proc: Path, text: str) -> None:
    (proc / "stat").write_text(text)
    assert times_by_core(proc) == {}


def test_what_a_machine_does_not_have_is_not_known_and_never_zero(tmp_path: Path) -> None:
    assert times_by_core(tmp_path) == {}
    assert cpu_pressure_s(tmp_path) is None
    assert RunQueueWaits(tmp_path).total_s([1]) is None


def test_pressure_is_what_some_program_waited(proc: Path) -> None:
    assert cpu_pressure_s(proc) == pytest.approx(541.308203)


def test_threads_that_ended_have_still_waited(proc: Path) -> None:
    waits = RunQueueWaits(proc)
    wait(proc, 7, 7, 2_000_000_000)
    gone = wait(proc, 7, 8, 1_000_000_000)
    assert waits.total_s([7]) == pytest.approx(3.0)
    gone.unlink()
    wait(proc, 7, 7, 2_500_000_000)
    assert waits.total_s([7]) == pytest.approx(3.5)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has /proc")
def test_this_machine_s_own_files_are_understood() -> None:
    found = times_by_core()
    assert found
    assert all(times.idle_s > 0 for times in found.values())
