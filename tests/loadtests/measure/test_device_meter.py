"""What a simulated device is said to have done over a slice."""

import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from loadtests.launch.server import launched
from loadtests.measure.device_meter import DeviceMeter, device_meter
from loadtests.measure.telemetry import SOURCES, Sampler
from servers.device_queue import FILE_VARIABLE, DeviceQueue
from servers.discovery import discover

NULL = discover()["null-http"]


def ended(queue: DeviceQueue, taken_s: float) -> None:
    queue.finished(queue.reserve(0.0, 0.001).number, 0.001, taken_s)


def test_a_device_with_a_pass_on_it_all_the_time_is_busy() -> None:
    queue = DeviceQueue()
    meter = DeviceMeter(queue, "simulated device: x")
    queue.reserve(time.monotonic() - 5, 1000.0)  # begun, and far from its end
    assert meter.sample()["gpu_busy_pct"] == 100
    assert meter.record().busy_share == 1


def test_a_device_without_a_pass_is_not_busy() -> None:
    meter = DeviceMeter(DeviceQueue(), "simulated device: x")
    assert meter.sample() == {"gpu_busy_pct": 0}
    record = meter.record()
    assert (record.passes, record.busy_share, record.pass_error_p50) == (0, 0, None)


def test_the_errors_are_those_of_the_passes_since_it_was_made() -> None:
    queue = DeviceQueue()
    ended(queue, 9.0)
    meter = DeviceMeter(queue, "simulated device: x")
    for taken_s in (0.00101, 0.00102, 0.00103):
        ended(queue, taken_s)
    record = meter.record()
    assert record.label == "simulated device: x"
    assert record.passes == 3
    assert record.pass_error_p50 == pytest.approx(0.02)
    assert record.pass_error_p99 == pytest.approx(0.0298)


def test_the_busy_share_is_a_column_whose_source_is_the_label() -> None:
    meter = DeviceMeter(DeviceQueue(), "simulated device: x")
    with Sampler({"load": os.getpid()}, None, device=meter) as sampler:
        pass
    assert sampler.sources["gpu_busy_pct"] == "simulated device: x"
    assert sampler.sources["gpu_power_w"] is None
    assert sampler.sources.keys() == SOURCES.keys()
    assert (sampler.frame(0.0)["gpu_busy_pct"] == 0).all()


def test_the_processes_of_a_contender_are_told_of_the_device_that_they_share(
    tmp_path: Path,
) -> None:
    simulated = discover()["fastapi"].variant("s", {"curve": "t4-fp16-tensorrt"}, "replay")
    label = simulated.simulated_device
    # The null server answers in its place: only what the launcher does is looked at.
    contender = replace(NULL, simulated_device=label)
    with launched(contender, model_dir=tmp_path, cores=(), log=tmp_path / "log") as server:
        assert server.process is not None
        named = Path(server.process.environ()[FILE_VARIABLE])
        same = DeviceQueue(named)
        same.reserve(0.0, 1.0)
        assert server.device is not None
        assert server.device.reserve(0.0, 1.0).begin_s == 1.0
        same.close()
        meter = device_meter(server)
        assert meter is not None
        assert meter.label == label
    assert not named.exists()


def test_a_contender_that_computes_has_no_simulated_device(tmp_path: Path) -> None:
    with launched(NULL, model_dir=tmp_path, cores=(), log=tmp_path / "log") as server:
        assert device_meter(server) is None
