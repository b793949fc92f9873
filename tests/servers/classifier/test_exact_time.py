"""Waiting and working for a given time: never for less. How exactly, the self-check measures."""

import threading
import time

import pytest

from servers.classifier.exact_time import CpuBurner, ExactWait


def test_a_wait_never_ends_before_its_time() -> None:
    wait = ExactWait()
    for length_s in (0.0, 0.0001, 0.001, 0.01):
        at_s = time.monotonic() + length_s
        wait.until(at_s)
        assert time.monotonic() >= at_s


def test_a_time_that_is_over_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    ExactWait().until(time.monotonic() - 1)
    assert slept == []


def test_one_late_wake_up_does_not_make_a_spin_of_later_waits() -> None:
    wait = ExactWait()
    wait._learn(10.0)
    assert wait._late_s < 100e-6


def test_a_wait_learns_how_late_it_is_woken() -> None:
    wait = ExactWait()
    for _ in range(200):
        wait._learn(20e-6)
    assert abs(wait._late_s - 20e-6) < 1e-6
    assert wait._deviation_s < 1e-6


def test_work_takes_the_cpu_time_of_the_thread_that_does_it() -> None:
    burner = CpuBurner()
    for cpu_s in (0.0005, 0.02):
        until_s = time.thread_time() + cpu_s
        burner.until(until_s)
        assert time.thread_time() >= until_s - 3e-6


def test_another_thread_runs_meanwhile() -> None:
    burner, counted, stop = CpuBurner(), [0], threading.Event()

    def count() -> None:
        while not stop.is_set():
            counted[0] += 1

    thread = threading.Thread(target=count)
    burned = threading.Thread(target=lambda: burner.until(time.thread_time() + 0.2))
    burned.start()
    thread.start()
    burned.join()
    stop.set()
    thread.join()
    assert counted[0] > 1000
