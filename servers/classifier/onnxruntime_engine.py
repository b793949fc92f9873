"""The network in ONNX Runtime."""

import contextlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from servers.classifier.onnx_weights import precision_of_weights
from servers.contract import LENGTH_BUCKETS, MAX_BATCH_TEXTS, MAX_LENGTH_TOKENS
from servers.engines import EngineName
from servers.placement import CPU, EngineUnavailableError, Placement

_DEVICES = {
    "CPUExecutionProvider": "cpu",
    "CUDAExecutionProvider": "cuda",
    "TensorrtExecutionProvider": "cuda",
}


class OnnxRuntimeEngine:
    """precision is the type of the weights in the file that was loaded, device that of the
    provider ONNX Runtime chose."""

    name: EngineName = "onnxruntime"

    def __init__(self, model_dir: Path, threads: int, placement: Placement = CPU) -> None:
        provider = _wanted_provider(placement)
        path = _model_file(model_dir, placement)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        # Idle threads that spin would take the cores from the tokeniser and the web server.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = _session(path, options, provider)
        found = self._session.get_providers()[0]
        if found != provider:
            raise EngineUnavailableError(
                f"expected ONNX Runtime to run on {provider}, found that it fell back to {found}: "
                "its log above names the library that it could not load; install it."
            )
        self.precision = precision_of_weights(path)
        self.device: str = _DEVICES[found]

    def infer(
        self, input_ids: NDArray[np.int64], attention_mask: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        (logits,) = self._session.run(
            None, {"input_ids": input_ids, "attention_mask": attention_mask}
        )
        array: NDArray[np.float32] = logits.astype(np.float32, copy=False)
        return array


def _session(
    path: Path, options: onnxruntime.SessionOptions, provider: str
) -> onnxruntime.InferenceSession:
    try:
        return onnxruntime.InferenceSession(
            str(path), options, providers=[(provider, _provider_options(provider, path))]
        )
    except Exception as error:  # its exceptions have no base of their own (1.31)
        if provider == "CPUExecutionProvider":
            raise
        first_line = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise EngineUnavailableError(
            f"expected ONNX Runtime to load {path.name} on {provider}, found {first_line!r}: its "
            "log above says more."
        ) from error


def _model_file(model_dir: Path, placement: Placement) -> Path:
    if placement.precision == "fp32":
        return model_dir / "model.onnx"
    # Only here: the conversion brings libraries along that serving has no use for.
    from servers.classifier.onnx_fp16 import fp16_model

    return fp16_model(model_dir)


def _wanted_provider(placement: Placement) -> str:
    """The one provider that placement asks for; EngineUnavailableError when this build of ONNX
    Runtime has none."""
    if placement.cuda_graphs:
        raise EngineUnavailableError(
            "expected the engine torch for cuda_graphs = true, found onnxruntime: set "
            "cuda_graphs = false or use a contender that runs PyTorch."
        )
    if placement.tensorrt and placement.device != "cuda":
        raise EngineUnavailableError(
            'expected device = "cuda" for tensorrt = true, found "cpu": set tensorrt = false or '
            "place the engine on the GPU."
        )
    if placement.device == "cpu":
        return "CPUExecutionProvider"
    _load_cuda_libraries()
    wanted = "TensorrtExecutionProvider" if placement.tensorrt else "CUDAExecutionProvider"
    available = onnxruntime.get_available_providers()
    if wanted not in available:
        raise EngineUnavailableError(
            f"expected {wanted} in ONNX Runtime {onnxruntime.__version__}, found only "
            f'{", ".join(available)}: install onnxruntime-gpu, or set device = "cpu".'
        )
    return wanted


def _load_cuda_libraries() -> None:
    """The CUDA libraries that come as Python packages are on no search path of the system.

    PyTorch finds its own wherever it is installed, and those that are loaded serve ONNX Runtime,
    too. preload_dlls looks only beside ONNX Runtime, which a virtual environment over the host's
    packages has in another folder.
    """
    with contextlib.suppress(ImportError):
        import torch  # noqa: F401  # for the libraries that it loads
    with contextlib.suppress(AttributeError):  # before 1.21, which only finds those of the system
        onnxruntime.preload_dlls()


def _provider_options(provider: str, model: Path) -> Mapping[str, str]:
    if provider == "CUDAExecutionProvider":
        # The TF32 that it would use for FP32 by default has the precision of FP16, and PyTorch
        # does not use it by default: FP32 means the same in both engines.
        return {"use_tf32": "0"}
    if provider == "TensorrtExecutionProvider":
        cache = model.parent / "tensorrt"
        shapes = {
            "min": (1, 1),
            "opt": (MAX_BATCH_TEXTS // 2, LENGTH_BUCKETS[-2]),
            "max": (MAX_BATCH_TEXTS, MAX_LENGTH_TOKENS),
        }
        # An engine for the whole range of shapes, built once: without it the first request of
        # each new shape would wait for TensorRT, for minutes.
        profiles = {
            f"trt_profile_{bound}_shapes": ",".join(
                f"{name}:{batch}x{length}" for name in ("input_ids", "attention_mask")
            )
            for bound, (batch, length) in shapes.items()
        }
        return profiles | {
            "trt_fp16_enable": str(model.name != "model.onnx"),
            "trt_engine_cache_enable": "True",
            "trt_engine_cache_path": str(cache),
            "trt_timing_cache_enable": "True",
            "trt_timing_cache_path": str(cache),
        }
    return {}
