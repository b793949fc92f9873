"""The config.pbtxt of a model that a models file describes, as a protobuf message."""

import json
from typing import Any

from tritonclient.grpc import model_config_pb2 as pb

from servers.triton_service.models_file.description import (
    Batcher,
    ModelEntry,
    Tensor,
    VersionPolicy,
    WarmUp,
)


def model_config(model: ModelEntry) -> pb.ModelConfig:
    config = pb.ModelConfig(
        name=model.name,
        backend=model.backend,
        max_batch_size=model.max_batch_size,
        input=[_tensor(pb.ModelInput, tensor) for tensor in model.inputs],
        output=[_tensor(pb.ModelOutput, tensor) for tensor in model.outputs],
        version_policy=_version_policy(model.version_policy),
        instance_group=[
            pb.ModelInstanceGroup(
                count=model.instances.count,
                kind=pb.ModelInstanceGroup.Kind.Value(f"KIND_{model.instances.kind.upper()}"),
                gpus=model.instances.devices,
            )
        ],
        model_warmup=[
            _warm_up(f"{number}_of_batch_{sample.batch_size}", model, sample)
            for number, sample in enumerate(model.warm_up, 1)
        ],
        parameters={
            name: pb.ModelParameter(string_value=_as_text(value))
            for name, value in model.parameters.items()
        },
    )
    if model.batcher is not None:
        config.dynamic_batching.CopyFrom(_batcher(model.batcher))
    return config


def _tensor(kind: Any, tensor: Tensor) -> Any:
    return kind(name=tensor.name, data_type=_type(tensor), dims=tensor.dims)


def _type(tensor: Tensor) -> int:
    found: int = pb.DataType.Value(f"TYPE_{tensor.dtype}")
    return found


def _version_policy(policy: VersionPolicy) -> pb.ModelVersionPolicy:
    kind = pb.ModelVersionPolicy
    if policy.all:
        return kind(all=kind.All())
    if policy.specific:
        return kind(specific=kind.Specific(versions=policy.specific))
    return kind(latest=kind.Latest(num_versions=policy.latest))


def _batcher(batcher: Batcher) -> pb.ModelDynamicBatching:
    config = pb.ModelDynamicBatching(
        preferred_batch_size=batcher.preferred_batch_sizes,
        max_queue_delay_microseconds=batcher.max_queue_delay_us,
    )
    if batcher.max_queue_size or batcher.queue_timeout_us or batcher.allow_timeout_override:
        policy = config.default_queue_policy
        policy.max_queue_size = batcher.max_queue_size
        policy.default_timeout_microseconds = batcher.queue_timeout_us
        policy.timeout_action = pb.ModelQueuePolicy.TimeoutAction.Value(
            batcher.timeout_action.upper()
        )
        policy.allow_timeout_override = batcher.allow_timeout_override
    return config


def _warm_up(name: str, model: ModelEntry, sample: WarmUp) -> pb.ModelWarmup:
    zeros = sample.data == "zeros"
    inputs = {
        tensor.name: pb.ModelWarmup.Input(
            data_type=_type(tensor),
            dims=sample.dims.get(tensor.name, tensor.dims),
            **({"zero_data": True} if zeros else {"random_data": True}),
        )
        for tensor in model.inputs
    }
    return pb.ModelWarmup(
        name=name, batch_size=sample.batch_size, count=sample.repeats, inputs=inputs
    )


def _as_text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
