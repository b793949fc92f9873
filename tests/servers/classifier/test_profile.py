"""The curve of an engine, measured and written; what of a pass is the host's work."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from servers.classifier import EngineUnavailableError, Placement
from servers.classifier import profile as profiling
from servers.classifier.__main__ import main
from servers.classifier.profile import (
    CPU_TIME,
    CUDA_EVENTS,
    HOST_IS_DEVICE,
    LaunchedTorchEngine,
    Profile,
    host_timer,
    profiled,
    rising,
)
from servers.device_curve import read_curve

SIZES = ["--lengths", "16", "--batches", "1", "2", "--repeats", "3", "--point-s", "0.1"]


@pytest.mark.parametrize("engine", ["onnxruntime", "torch"])
def test_the_command_writes_a_curve_that_names_machine_and_command(
    small_model_dir: Path, tmp_path: Path, engine: str
) -> None:
    out = tmp_path / "mine.toml"
    common = ["--model-dir", str(small_model_dir), "--threads", "1", "--out", str(out)]
    said = "study profile onnxruntime --out mine.toml"
    main(["profile", *common, "--engine", engine, "--said", said, *SIZES])
    curve = read_curve(out)
    assert (curve.name, curve.precision, curve.measured) == ("mine", "fp32", True)
    assert curve.software.startswith(f"{engine} ")
    assert curve.device.endswith(", 1 thread")
    assert said in curve.source
    assert [(p.length_tokens, p.batch_size) for p in curve.points] == [(16, 1), (16, 2)]
    assert curve.host_share_source == HOST_IS_DEVICE
    assert curve.host_s(2, 16) == curve.pass_s(2, 16)


def test_a_larger_batch_that_took_less_by_noise_takes_as_long_as_the_smaller() -> None:
    measured = {(32, 1): 0.003, (16, 4): 0.0011, (16, 1): 0.00123456789, (16, 8): 0.002}
    assert rising(measured) == {
        (16, 1): 0.0012346,
        (16, 4): 0.0012346,
        (16, 8): 0.002,
        (32, 1): 0.003,
    }


def test_a_curve_is_not_made_of_a_curve(tmp_path: Path) -> None:
    placement = Placement(curve="t4-fp16-tensorrt")
    what = Profile(tmp_path, "replay", placement, 1, (16,), (1, 2), 3, 0.1)
    with pytest.raises(EngineUnavailableError, match="expected an engine that computes"):
        profiled(what, "a", "b")


def test_an_engine_that_is_not_as_asked_is_not_profiled(
    small_model_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def half(what: Profile) -> LaunchedTorchEngine:
        return LaunchedTorchEngine(what.model_dir, 1, Placement(precision="fp16"))

    monkeypatch.setattr(profiling, "_engine", half)
    what = Profile(small_model_dir, "torch", Placement(), 1, (16,), (1, 2), 3, 0.1)
    with pytest.raises(EngineUnavailableError, match="loaded on cpu with fp16 weights"):
        profiled(what, "a", "b")


class Cuda:
    """What torch.cuda does around a pass, on a clock of its own: launches take 3 ms, and the last
    kernel ends 10 ms after the first event."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.heard: list[str] = []

    def synchronize(self) -> None:
        self.heard.append("synchronize")

    def Event(self, enable_timing: bool) -> "Event":  # torch calls it so
        assert enable_timing
        return Event(self)


class Event:
    def __init__(self, cuda: Cuda) -> None:
        self._cuda = cuda

    def record(self) -> None:
        self._cuda.heard.append("event")

    def elapsed_time(self, _: "Event") -> float:
        return 10.0


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> Cuda:
    fake = Cuda()
    for name in ("synchronize", "Event"):
        monkeypatch.setattr(torch.cuda, name, getattr(fake, name))
    monkeypatch.setattr(profiling.time, "perf_counter", lambda: fake.now_s)
    return fake


def test_the_launches_of_a_pass_are_timed_apart_from_what_passes_between_its_events(
    small_model_dir: Path, cuda: Cuda, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = LaunchedTorchEngine(small_model_dir, 1)

    def launch(*_: Any) -> None:
        cuda.heard.append("launch")
        cuda.now_s += 0.003

    monkeypatch.setattr(engine, "launch", launch)
    timer, source = host_timer(engine)
    split = timer(np.ones((2, 16), dtype=np.int64))
    assert source == CUDA_EVENTS
    assert (split.host_s, split.device_s) == (0.003, 0.01)
    assert cuda.heard == ["synchronize", "event", "launch", "event", "synchronize"]


def test_what_is_launched_is_what_the_engine_answers(small_model_dir: Path) -> None:
    engine = LaunchedTorchEngine(small_model_dir, 1)
    ids = np.ones((2, 16), dtype=np.int64)
    launched = engine.launch(ids, ids).numpy()
    np.testing.assert_array_equal(launched, engine.infer(ids, ids))


def test_the_host_of_another_engine_has_at_most_the_cpu_time_of_its_thread() -> None:
    class Idle:
        name, precision, device = "onnxruntime", "fp16", "cuda"

        def infer(self, input_ids: Any, attention_mask: Any) -> Any:
            return np.zeros((len(input_ids), 2), dtype=np.float32)

    timer, source = host_timer(Idle())  # type: ignore[arg-type]  # an engine in all that is used
    split = timer(np.ones((1, 16), dtype=np.int64))
    assert source == CPU_TIME
    assert split.device_s is None
    assert split.host_s >= 0


def test_on_a_gpu_each_point_has_the_time_of_its_launches(
    small_model_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(profiling.torch.cuda, "get_device_name", lambda: "NVIDIA H200")
    monkeypatch.setattr(profiling, "host_timer", lambda _: (lambda _: profiling.Split(1e-5), "so"))

    def on_gpu(what: Profile) -> LaunchedTorchEngine:
        engine = LaunchedTorchEngine(what.model_dir, 1)
        engine.device = "cuda"
        return engine

    monkeypatch.setattr(profiling, "_engine", on_gpu)
    what = Profile(small_model_dir, "torch", Placement("cuda"), 1, (16,), (1, 2), 3, 0.1)
    curve = profiled(what, "a", "b")
    assert curve.device == "NVIDIA H200"
    assert curve.host_share_source == "so"
    assert [point.host_s for point in curve.points] == [1e-5, 1e-5]
