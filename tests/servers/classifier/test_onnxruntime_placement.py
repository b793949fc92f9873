"""Where ONNX Runtime is asked to run, with fakes in place of its GPU builds."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnxruntime
import pytest

from servers.classifier import (
    Engine,
    EngineUnavailableError,
    Placement,
    load_engine,
    onnxruntime_engine,
)

CUDA, TENSORRT = "CUDAExecutionProvider", "TensorrtExecutionProvider"
CPU_ONLY = ["CPUExecutionProvider"]


@pytest.fixture
def asked() -> dict[str, Any]:
    return {}


@pytest.fixture
def load(
    monkeypatch: pytest.MonkeyPatch, small_model_dir: Path, asked: dict[str, Any]
) -> Callable[..., Engine]:
    """Loads an engine from a build with these providers, of which `chosen` then runs."""

    def preload_dlls() -> None:
        asked["preloaded"] = "after torch" if sys.modules.get("torch") else "alone"

    def start(available: list[str], chosen: list[str], **placement: Any) -> Engine:
        class Session:
            def __init__(self, path: str, options: object, providers: list[Any]) -> None:
                asked.update(path=Path(path), providers=providers)

            def get_providers(self) -> list[str]:
                return chosen

        monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: available)
        monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
        monkeypatch.setattr(onnxruntime, "preload_dlls", preload_dlls)
        return load_engine("onnxruntime", small_model_dir, 1, Placement(**placement))

    return start


def test_on_the_cpu_nothing_but_the_cpu_is_asked_for(
    load: Callable[..., Engine], asked: dict[str, Any]
) -> None:
    engine = load([CUDA, *CPU_ONLY], CPU_ONLY)
    assert (engine.device, engine.precision) == ("cpu", "fp32")
    assert asked["providers"] == [("CPUExecutionProvider", {})]
    assert "preloaded" not in asked


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_on_cuda_one_accelerator_is_asked_for_with_the_file_of_that_precision(
    load: Callable[..., Engine], asked: dict[str, Any], precision: str
) -> None:
    engine = load([CUDA, *CPU_ONLY], [CUDA, *CPU_ONLY], device="cuda", precision=precision)
    assert (engine.device, engine.precision) == ("cuda", precision)
    assert asked["providers"] == [(CUDA, {"use_tf32": "0"})]
    assert asked["path"].name == ("model.onnx" if precision == "fp32" else "model.fp16.onnx")
    assert asked["preloaded"]


def test_tensorrt_is_given_the_whole_range_of_shapes_and_a_cache(
    load: Callable[..., Engine], asked: dict[str, Any]
) -> None:
    providers = [TENSORRT, CUDA, *CPU_ONLY]
    engine = load(providers, providers, device="cuda", precision="fp16", tensorrt=True)
    assert engine.device == "cuda"
    ((name, options),) = asked["providers"]
    assert name == TENSORRT
    assert options["trt_fp16_enable"] == "True"
    assert options["trt_profile_min_shapes"] == "input_ids:1x1,attention_mask:1x1"
    assert options["trt_profile_max_shapes"] == "input_ids:64x128,attention_mask:64x128"
    assert options["trt_engine_cache_path"] == str(asked["path"].parent / "tensorrt")


def test_a_build_without_the_provider_is_a_reason(load: Callable[..., Engine]) -> None:
    with pytest.raises(EngineUnavailableError, match=f"expected {CUDA} in ONNX Runtime .* install"):
        load(CPU_ONLY, CPU_ONLY, device="cuda")
    with pytest.raises(EngineUnavailableError, match=f"expected {TENSORRT} .* {CUDA}"):
        load([CUDA, *CPU_ONLY], [CUDA, *CPU_ONLY], device="cuda", tensorrt=True)


@pytest.mark.parametrize("fallen_to", [CUDA, "CPUExecutionProvider"])
def test_falling_back_to_another_provider_is_a_reason(
    load: Callable[..., Engine], fallen_to: str
) -> None:
    with pytest.raises(EngineUnavailableError, match=f"fell back to {fallen_to}"):
        load([TENSORRT, CUDA, *CPU_ONLY], [fallen_to], device="cuda", tensorrt=True)


def test_pytorch_has_loaded_its_cuda_libraries_before_they_are_looked_for(
    load: Callable[..., Engine],
    asked: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    # A stand-in: torch itself was loaded by other tests of this process.
    (tmp_path / "torch.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(sys.modules, "torch", None)
    del sys.modules["torch"]
    load([CUDA, *CPU_ONLY], [CUDA, *CPU_ONLY], device="cuda")
    assert asked["preloaded"] == "after torch"


def test_without_pytorch_the_libraries_are_looked_for_all_the_same(
    load: Callable[..., Engine], asked: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    load([CUDA, *CPU_ONLY], [CUDA, *CPU_ONLY], device="cuda")
    assert asked["preloaded"] == "alone"


def test_an_accelerator_that_fails_is_a_reason_with_the_first_line_of_its_error(
    load: Callable[..., Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Fail(Exception):
        """Like those of ONNX Runtime, of no base but Exception."""

    def fail(*_: object) -> dict[str, str]:
        raise Fail("CUDA failure 35: driver version is insufficient\nand more")

    monkeypatch.setattr(onnxruntime_engine, "_provider_options", fail)
    with pytest.raises(EngineUnavailableError, match="found 'CUDA failure 35: [^\n]*insufficient'"):
        load([CUDA, *CPU_ONLY], [CUDA, *CPU_ONLY], device="cuda")
    with pytest.raises(Fail):  # a broken model.onnx is no lack of the host
        load(CPU_ONLY, CPU_ONLY)


@pytest.mark.parametrize(
    ("placement", "expected"),
    [
        ({"cuda_graphs": True, "device": "cuda"}, "expected the engine torch for cuda_graphs"),
        ({"tensorrt": True}, 'expected device = "cuda" for tensorrt'),
    ],
)
def test_what_onnxruntime_does_not_do_is_a_reason(
    load: Callable[..., Engine], placement: dict[str, Any], expected: str
) -> None:
    with pytest.raises(EngineUnavailableError, match=expected):
        load([CUDA, *CPU_ONLY], [CUDA, *CPU_ONLY], **placement)
