"""The fixed piece of work that tells how fast a core is."""

import os
import sys

import pytest

from loadtests.host.cores import available_cores
from loadtests.host.speed import probe_ms


def test_a_probe_takes_time_and_leaves_the_thread_where_it_was() -> None:
    before = available_cores()
    found = probe_ms(before[-1:])
    assert found is not None
    assert found > 0
    assert available_cores() == before


def test_a_service_that_was_given_no_cores_has_none_to_probe() -> None:
    assert probe_ms(()) is None


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux pins a thread")
def test_a_probe_runs_on_the_first_core_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[set[int]] = []
    pin = os.sched_setaffinity
    monkeypatch.setattr(
        os, "sched_setaffinity", lambda pid, cores: (asked.append(set(cores)), pin(pid, cores))
    )
    cores = available_cores()
    probe_ms(cores)
    assert asked == [{cores[0]}, set(cores)]
