"""A model repository of tiny models, each with one property that a statement is about."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tritonclient.grpc import model_config_pb2 as pb

from servers.triton_service.checks import to_text

MODEL_FILE = Path(__file__).with_name("echo_model.py")
ROWS = 8
"""max_batch_size of a tiny model."""


@dataclass(frozen=True)
class TinyModel:
    """A folder of the repository; config None: it has no config.pbtxt."""

    folder: str
    config: str | None
    versions: Sequence[str] = ("1",)


def echo(name: str, pause_s: float = 0.0, add: int = 0, **changes: Any) -> str:
    """The config.pbtxt of a model that answers X + add after a pause."""
    given: dict[str, Any] = {
        "backend": "python",
        "max_batch_size": ROWS,
        "input": [pb.ModelInput(name="X", data_type=pb.TYPE_INT64, dims=[4])],
        "output": [pb.ModelOutput(name="Y", data_type=pb.TYPE_INT64, dims=[4])],
        "instance_group": [on_cpu(1)],
        "parameters": parameters(pause_s=pause_s, add=add),
    }
    return to_text(pb.ModelConfig(name=name, **(given | changes)))


def parameters(**given: object) -> dict[str, pb.ModelParameter]:
    """What the model of a configuration is told."""
    return {name: pb.ModelParameter(string_value=str(value)) for name, value in given.items()}


def on_cpu(count: int) -> pb.ModelInstanceGroup:
    return pb.ModelInstanceGroup(count=count, kind=pb.ModelInstanceGroup.KIND_CPU)


def batching(**settings: Any) -> dict[str, Any]:
    return {"dynamic_batching": pb.ModelDynamicBatching(**settings)}


def tiny_models() -> list[TinyModel]:
    two_inputs = [pb.ModelInput(name=n, data_type=pb.TYPE_INT64, dims=[4]) for n in ("X", "Z")]
    any_length: dict[str, Any] = {
        "input": [pb.ModelInput(name="X", data_type=pb.TYPE_INT64, dims=[-1])],
        "output": [pb.ModelOutput(name="Y", data_type=pb.TYPE_INT64, dims=[-1])],
    }
    first_only = pb.ModelVersionPolicy(specific=pb.ModelVersionPolicy.Specific(versions=[1]))
    waits = batching(max_queue_delay_microseconds=100_000)
    levels: dict[str, Any] = {"max_batch_size": 2, "pause_s": 0.05}
    configs = {
        "echo": echo("echo"),
        "wide": echo("wide", **any_length),
        "two-inputs": echo("two-inputs", input=two_inputs),
        "two-instances": echo("two-instances", instance_group=[on_cpu(2)]),
        "busy": echo("busy", pause_s=1.0),
        "batched": echo("batched", pause_s=0.05, **waits),
        "levels": echo("levels", **levels, **batching(priority_levels=2, default_priority_level=2)),
        "no-default-level": echo("no-default-level", **batching(priority_levels=2)),
        "preferred-too-large": echo(
            "preferred-too-large", **batching(preferred_batch_size=[8 * ROWS])
        ),
        "batches-of-none": echo("batches-of-none", max_batch_size=0, **batching()),
        "no-backend": echo("no-backend", backend="onnxruntime"),
        "two-platforms": echo("two-platforms", platform="onnxruntime_onnx"),
        "reloaded": echo("reloaded"),
        "other-name": echo("another"),
        "misspelt": echo("misspelt") + "dynamic_batch { }\n",
        "unconfigured": None,
    }
    three = ("1", "2", "3")
    return [
        *(TinyModel(folder, config) for folder, config in configs.items()),
        TinyModel("versions", echo("versions"), three),
        TinyModel("pinned", echo("pinned", version_policy=first_only), three),
        TinyModel("leading-zero", echo("leading-zero"), ("01",)),
    ]


def write_models(repository: Path, models: Sequence[TinyModel]) -> None:
    for model in models:
        for version in model.versions:
            (repository / model.folder / version).mkdir(parents=True)
            shutil.copyfile(MODEL_FILE, repository / model.folder / version / "model.py")
        if model.config is not None:
            write_config(repository, model.folder, model.config)


def write_config(repository: Path, folder: str, config: str) -> None:
    (repository / folder / "config.pbtxt").write_text(config, encoding="utf-8")
