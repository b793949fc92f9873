"""The one list of engines. A new engine is its module and an entry here.

The command line reads this to give help: it imports no engine and no library.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, cast

EngineName = Literal["torch", "torch-compiled", "onnxruntime", "replay"]
Device = Literal["cpu", "cuda"]
Precision = Literal["fp32", "fp16"]


@dataclass(frozen=True)
class EngineKind:
    """What is said of an engine without loading it.

    made_by is the class that runs it, as module:name (servers.classifier.engines.Engine); library
    the module whose version is the engine's; network_file what a model's folder must hold for it;
    component what an operator must keep healthy for it beside that folder; simulated: it computes
    nothing, and takes the time that a device curve says.
    """

    words: str
    made_by: str
    library: str
    network_file: str
    component: str | None = None
    simulated: bool = False


ENGINES: Mapping[EngineName, EngineKind] = MappingProxyType(
    {
        "torch": EngineKind(
            words="PyTorch",
            made_by="servers.classifier.torch_engine:TorchEngine",
            library="torch",
            network_file="model.safetensors",
        ),
        "torch-compiled": EngineKind(
            words="compiled PyTorch",
            made_by="servers.classifier.compiled_engine:CompiledTorchEngine",
            library="torch",
            network_file="model.safetensors",
            component="compiled network",  # made again whenever the model or the machine changes
        ),
        "onnxruntime": EngineKind(
            words="ONNX Runtime",
            made_by="servers.classifier.onnxruntime_engine:OnnxRuntimeEngine",
            library="onnxruntime",
            network_file="model.onnx",
            component="exported network",  # made again whenever the model changes
        ),
        "replay": EngineKind(
            words="a simulated device",
            made_by="servers.classifier.replay_engine:ReplayEngine",
            library="numpy",
            network_file="config.json",
            simulated=True,
        ),
    }
)
REAL_ENGINES: tuple[EngineName, ...] = tuple(
    name for name, kind in ENGINES.items() if not kind.simulated
)
ENGINES_IN_WORDS = " or ".join(ENGINES)


def engine_named(name: str) -> EngineName | None:
    """The engine of that name; None: there is none."""
    return cast(EngineName, name) if name in ENGINES else None
