"""The simulated device: one pass at a time, for as long as its curve says, never for less."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from servers.classifier import EngineUnavailableError, Placement, load_engine
from servers.classifier.answers import ReferenceAnswers, UnknownTextError
from servers.classifier.replay_engine import SimulatedDevice
from servers.device_curve import CurvePoint, DeviceCurve
from servers.device_queue import DeviceQueue

NO_TOKENS = np.zeros((1, 16), dtype=np.int64)


@pytest.fixture
def device() -> Callable[..., tuple[SimulatedDevice, DeviceQueue]]:
    def make(pass_s: float, host_s: float) -> tuple[SimulatedDevice, DeviceQueue]:
        points = (CurvePoint(16, 1, pass_s, host_s), CurvePoint(16, 8, 2 * pass_s, host_s))
        curve = DeviceCurve("a", "b", "fp16", "c", "d", "a test", False, 0.0, "a test", points)
        queue = DeviceQueue()
        return SimulatedDevice(curve, ReferenceAnswers([], 3), queue), queue

    return make


def test_a_pass_takes_its_time_and_the_host_its_part(device) -> None:
    simulated, queue = device(0.02, 0.005)
    began_s, cpu_before_s = time.monotonic(), time.thread_time()
    logits = simulated.infer(NO_TOKENS, NO_TOKENS)
    assert time.monotonic() - began_s >= 0.02
    assert time.thread_time() - cpu_before_s >= 0.005 - 3e-6
    assert logits.shape == (1, 3)
    (timed,) = queue.passes_since(DeviceQueue().reading())
    assert timed.taken_s >= timed.by_curve_s - 1e-6
    assert timed.by_curve_s >= 0.02


def test_a_larger_batch_takes_what_the_curve_says_of_it(device) -> None:
    simulated, queue = device(0.001, 0.0)
    rows = np.zeros((8, 16), dtype=np.int64)
    simulated.infer(rows, rows)
    (timed,) = queue.passes_since(DeviceQueue().reading())
    assert timed.by_curve_s == pytest.approx(0.002)


def test_passes_of_several_threads_follow_each_other(device) -> None:
    simulated, queue = device(0.01, 0.0)
    began_s = time.monotonic()
    threads = [
        threading.Thread(target=simulated.infer, args=(NO_TOKENS, NO_TOKENS)) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert time.monotonic() - began_s >= 0.04
    assert queue.reading().busy_s == pytest.approx(0.04)


def test_the_wait_for_the_device_leaves_the_core_to_others(device) -> None:
    simulated, _ = device(0.3, 0.0)
    cpu_before_s = time.thread_time()
    simulated.infer(NO_TOKENS, NO_TOKENS)
    assert time.thread_time() - cpu_before_s < 0.1


def test_a_text_without_an_answer_leaves_the_device_alone(device) -> None:
    simulated, queue = device(1.0, 0.0)
    ones = np.ones((1, 16), dtype=np.int64)
    with pytest.raises(UnknownTextError):
        simulated.infer(ones, ones)
    assert queue.reading().passes == 0
    assert queue.reserve(1.0, 1.0).begin_s == 1.0


def test_the_engine_says_that_it_is_simulated(model_dir: Path, answers: Path) -> None:
    engine = load_engine("replay", model_dir, 1, Placement(curve="t4-fp16-tensorrt"))
    assert engine.name == "replay"
    assert (engine.device, engine.precision) == ("simulated NVIDIA T4 16GB", "simulated fp16")


@pytest.mark.parametrize(
    ("engine", "curve", "sentence"),
    [
        ("replay", "", "expected the name or path of a device curve .* set the option curve"),
        ("replay", "a101", "expected a curve .* found 'a101': correct it"),
        ("torch", "t4-fp16-tensorrt", 'expected the engine replay for curve = "t4-fp16-tensorrt"'),
    ],
)
def test_a_curve_that_is_not_there_or_not_for_this_engine_is_a_reason(
    model_dir: Path, engine, curve: str, sentence: str
) -> None:
    with pytest.raises(EngineUnavailableError, match=sentence):
        load_engine(engine, model_dir, 1, Placement(curve=curve))


def test_a_model_without_reference_answers_is_a_reason(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    with pytest.raises(EngineUnavailableError, match="expected reference answers beside"):
        load_engine("replay", tmp_path / "model", 1, Placement(curve="t4-fp16-tensorrt"))


def test_a_placement_on_a_curve_is_called_simulated() -> None:
    assert str(Placement("cuda", "fp16", curve="/a/b/t4.toml")) == "simulated t4"
