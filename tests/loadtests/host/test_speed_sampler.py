"""Small pieces of work are timed beside the server, in a process of their own."""

import os
import time

import psutil

from loadtests.host.speed_sampler import SpeedSampler, pieces

CORES = sorted(os.sched_getaffinity(0))[:1]


def sampled(sampler: SpeedSampler) -> dict[str, float]:
    until_s = time.monotonic() + 60
    found: dict[str, float] = {}
    while len(found) < len(pieces()):
        assert time.monotonic() < until_s, f"only {found} were timed"
        time.sleep(0.05)
        found |= sampler.work_us()
    return found


def test_every_piece_is_timed_on_the_servers_cores() -> None:
    with SpeedSampler(CORES) as sampler:
        found = sampled(sampler)
        (process,) = [
            child
            for child in psutil.Process().children()
            if "loadtests.host.speed_sampler" in child.cmdline()
        ]
        assert process.cpu_affinity() == CORES
    assert found.keys() == pieces().keys()
    assert all(taken_us > 0 for taken_us in found.values())
    assert not process.is_running()


def test_what_was_sampled_before_is_forgotten() -> None:
    with SpeedSampler(CORES) as sampler:
        sampled(sampler)
        assert sampler._process
        sampler._process.suspend()
        sampler.restart()
        assert sampler.work_us() == {}
        sampler._process.resume()
        assert sampled(sampler)


def test_where_the_server_has_no_cores_here_nothing_is_known() -> None:
    with SpeedSampler(()) as sampler:
        sampler.restart()
        assert sampler.work_us() == {}
