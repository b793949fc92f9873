"""Puts the co-located models into the classifier's model repository."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import get_args

from tritonclient.grpc import model_config_pb2 as pb

from servers.discovery import OptionValue
from servers.placement import placement_from
from servers.triton_service.checks import ConfigError, check_repository, to_text
from servers.triton_service.colocated.sizes import (
    ColocatedModel,
    SizeName,
    Tensor,
    colocated_models,
)

OPTION = "colocated_models"
"""The option of a Triton contender that names the size of co-located models; empty: none."""

SEED = 1512
MODEL_FILE = Path(__file__).with_name("model.py")


def write_colocated_models(
    repository: Path, options: Mapping[str, OptionValue], threads: int
) -> None:
    """Adds both models where options name a size; they take device, precision, batch size and
    queue delay from the classifier's options, and `threads` threads each on a CPU."""
    size = options.get(OPTION)
    if not size:
        return
    configs = [
        colocated_model_config(model, options, threads) for model in colocated_models(_size(size))
    ]
    check_repository(configs)
    for config in configs:
        version_dir = repository / config.name / "1"
        version_dir.mkdir(parents=True)
        (repository / config.name / "config.pbtxt").write_text(to_text(config), encoding="utf-8")
        shutil.copyfile(MODEL_FILE, version_dir / MODEL_FILE.name)


def colocated_model_config(
    model: ColocatedModel, options: Mapping[str, OptionValue], threads: int
) -> pb.ModelConfig:
    max_batch_size, placement = int(options["max_batch_size"]), placement_from(options)
    parameters = {
        "device": placement.device,
        "precision": placement.precision,
        "threads": str(threads),
        "seed": str(SEED),
        "size": json.dumps(model.size),
    }
    return pb.ModelConfig(
        name=model.name,
        backend="python",
        max_batch_size=max_batch_size,
        input=[pb.ModelInput(name=t.name, data_type=_type(t), dims=t.shape) for t in model.inputs],
        output=[
            pb.ModelOutput(
                name=model.output.name, data_type=_type(model.output), dims=model.output.shape
            )
        ],
        # A Python model finds its device itself, and gets its inputs in the memory of the CPU.
        instance_group=[pb.ModelInstanceGroup(count=1, kind=pb.ModelInstanceGroup.KIND_CPU)],
        dynamic_batching=pb.ModelDynamicBatching(
            max_queue_delay_microseconds=int(options["max_queue_delay_us"])
        ),
        model_warmup=[_warm_up(model, size) for size in sorted({1, max_batch_size})],
        parameters={
            name: pb.ModelParameter(string_value=value) for name, value in parameters.items()
        },
    )


def _size(given: OptionValue) -> SizeName:
    known: tuple[SizeName, ...] = get_args(SizeName)
    for size in known:
        if size == given:
            return size
    raise ConfigError(
        f'expected {OPTION} = "full" or "small", found {json.dumps(given)}: correct it.'
    )


def _warm_up(model: ColocatedModel, batch_size: int) -> pb.ModelWarmup:
    inputs = {
        tensor.name: pb.ModelWarmup.Input(
            data_type=_type(tensor), dims=tensor.shape, zero_data=True
        )
        for tensor in model.inputs
    }
    return pb.ModelWarmup(name=f"batch_{batch_size}", batch_size=batch_size, inputs=inputs)


def _type(tensor: Tensor) -> int:
    found: int = pb.DataType.Value(f"TYPE_{tensor.datatype}")
    return found
