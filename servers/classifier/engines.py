"""The engines behind one interface; each is imported only when it is asked for."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

EngineName = Literal["torch", "onnxruntime"]
Device = Literal["cpu", "cuda"]
Precision = Literal["fp32", "fp16"]


class EngineUnavailableError(RuntimeError):
    """What was asked of an engine cannot be had here; the message is one sentence for the
    reader."""


@dataclass(frozen=True)
class Placement:
    """Where an engine runs and how; the defaults are those of the study on a CPU."""

    device: Device = "cpu"
    precision: Precision = "fp32"
    cuda_graphs: bool = False
    tensorrt: bool = False


CPU = Placement()
_ALLOWED: Mapping[str, tuple[object, ...]] = {
    "device": get_args(Device),
    "precision": get_args(Precision),
    "cuda_graphs": (False, True),
    "tensorrt": (False, True),
}


class Engine(Protocol):
    """Runs the network. precision ("fp32", ...) and device ("cpu", ...) are read from what was
    loaded, never from what was asked for."""

    @property
    def name(self) -> EngineName: ...

    @property
    def precision(self) -> str: ...

    @property
    def device(self) -> str: ...

    def infer(
        self, input_ids: NDArray[np.int64], attention_mask: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """logits float32[batch, labels] of int64[batch, length] inputs."""
        ...


def placement_from(options: Mapping[str, Any]) -> Placement:
    """The placement that a contender's options ask for, other options aside;
    EngineUnavailableError on a value that no placement has."""
    given = {name: options[name] for name in _ALLOWED if name in options}
    for name, value in given.items():
        if value not in _ALLOWED[name]:
            words = " or ".join(json.dumps(allowed) for allowed in _ALLOWED[name])
            raise EngineUnavailableError(
                f"expected {name} = {words}, found {json.dumps(value)}: correct the options of "
                "the contender."
            )
    return Placement(**given)


def load_engine(
    name: EngineName, model_dir: Path, threads: int, placement: Placement = CPU
) -> Engine:
    """Loads the artefacts of model_dir on `threads` cores; ValueError on an unknown engine,
    EngineUnavailableError when it cannot run as placed here: there is no falling back."""
    if name == "torch":
        from servers.classifier.torch_engine import TorchEngine

        return TorchEngine(model_dir, threads, placement)
    if name == "onnxruntime":
        from servers.classifier.onnxruntime_engine import OnnxRuntimeEngine

        return OnnxRuntimeEngine(model_dir, threads, placement)
    raise ValueError(f"expected the engine 'torch' or 'onnxruntime', found {name!r}.")
