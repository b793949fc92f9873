"""Tensors: their types and shapes, against the network and against batching."""

from collections.abc import Iterator, Sequence

from tritonclient.grpc import model_config_pb2 as pb

from servers.triton_service.doctor.findings import Found
from servers.triton_service.doctor.inspected import Inspected
from servers.triton_service.doctor.models import Model, OnnxGraph, OnnxTensor
from servers.triton_service.doctor.rules.layout import served

PADDED = "bucket"
"""In the name of a parameter: the model, or the one that feeds it, pads to a few lengths."""


def onnx_datatype(inspected: Inspected) -> Iterator[Found]:
    for model, graph in _networks(inspected):
        for side, tensors in (("input", graph.inputs), ("output", graph.outputs)):
            by_name = {tensor.name: tensor for tensor in tensors}
            for configured in getattr(model.message, side):
                found = by_name.get(configured.name)
                given = pb.DataType.Name(configured.data_type)
                if found is None or given == f"TYPE_{found.datatype}" or model.config is None:
                    continue
                path = (f"{side}={configured.name}", "data_type")
                yield Found(
                    model.place(*path),
                    f"expected TYPE_{found.datatype} for the {side} {configured.name}, as the "
                    f"network has it, found {given}.",
                    model.config.with_value(f"TYPE_{found.datatype}", *path),
                )


def onnx_name(inspected: Inspected) -> Iterator[Found]:
    for model, graph in _networks(inspected):
        for side, tensors in (("input", graph.inputs), ("output", graph.outputs)):
            names = [tensor.name for tensor in tensors]
            configured = [each.name for each in getattr(model.message, side)]
            for name in configured:
                if name not in names:
                    yield Found(
                        model.place(f"{side}={name}", "name"),
                        f"expected the network's {side}s {', '.join(names)}, found {name}.",
                        _renamed(model, side, name, names, configured),
                    )
            missing = [name for name in names if name not in configured]
            if side == "input" and configured and missing and set(configured) <= set(names):
                yield Found(
                    model.place("input"),
                    f"expected all inputs of the network, found that {', '.join(missing)} is not "
                    "configured.",
                )


def _renamed(
    model: Model, side: str, name: str, names: Sequence[str], configured: Sequence[str]
) -> str:
    """The fix where only one name of the network is left to be meant."""
    left = [each for each in names if each not in configured]
    if len(left) != 1 or model.config is None:
        return ""
    return model.config.with_value(f'"{left[0]}"', f"{side}={name}", "name")


def onnx_shape(inspected: Inspected) -> Iterator[Found]:
    for model, graph in _networks(inspected):
        for side, tensors in (("input", graph.inputs), ("output", graph.outputs)):
            by_name = {tensor.name: tensor for tensor in tensors}
            for configured in getattr(model.message, side):
                found = by_name.get(configured.name)
                dims = list(configured.reshape.shape) or list(configured.dims)
                if found is not None and not configured.HasField("reshape"):
                    yield from _shape_problems(model, side, found, dims)


def _shape_problems(
    model: Model, side: str, tensor: OnnxTensor, dims: list[int]
) -> Iterator[Found]:
    batched, shape = model.message.max_batch_size > 0, list(tensor.shape)
    place = model.place(f"{side}={tensor.name}", "dims")
    if batched and (not shape or shape[0] != -1):
        yield Found(
            model.place("max_batch_size"),
            f"expected a network whose {side} {tensor.name} has a free first dimension for "
            f"batches, found the shape {shape}: export it with one, or set max_batch_size: 0.",
        )
        return
    expected = shape[1:] if batched else shape
    same = len(dims) == len(expected) and all(
        theirs == ours or (theirs == -1 and side == "input")
        for theirs, ours in zip(expected, dims, strict=True)
    )
    if same or model.config is None:
        return
    hint = ""
    if batched and len(dims) == len(shape):
        hint = "; dims leave the batch dimension out when max_batch_size is above 0"
    yield Found(
        place,
        f"expected dims {expected} for the {side} {tensor.name}, as the network has them, found "
        f"{dims}{hint}.",
        model.config.with_value(str(expected), f"{side}={tensor.name}", "dims"),
    )


def bad_dims(inspected: Inspected) -> Iterator[Found]:
    for model in inspected.models:
        for side in ("input", "output"):
            for tensor in getattr(model.message, side):
                if not tensor.dims or any(size == 0 or size < -1 for size in tensor.dims):
                    yield Found(
                        model.place(f"{side}={tensor.name}", "dims"),
                        f"expected dims of positive sizes or -1 for {tensor.name}, found "
                        f"{list(tensor.dims)}.",
                    )


def variable_length(inspected: Inspected) -> Iterator[Found]:
    for model in inspected.models:
        message = model.message
        batches = message.HasField("dynamic_batching") or model.backend in (
            "onnxruntime",
            "tensorrt",
        )
        if message.max_batch_size < 2 or not batches or _padded(model, inspected):
            continue
        free = [
            tensor.name
            for tensor in message.input
            if -1 in tensor.dims and not tensor.allow_ragged_batch
        ]
        if free:
            yield Found(
                model.place(f"input={free[0]}", "dims"),
                f"{', '.join(free)} may have any length, so that only requests of one length are "
                "batched: pad to one length or a few buckets, send a length at a time, or let the "
                "model take allow_ragged_batch.",
            )


def _padded(model: Model, inspected: Inspected) -> bool:
    """Whether the model, or a step before it in an ensemble, says that it pads to few lengths."""
    before = {model.name}
    for ensemble in inspected.models:
        steps = ensemble.message.ensemble_scheduling.step
        for step in steps:
            if step.model_name == model.name:
                needed = set(step.input_map.values())
                before |= {s.model_name for s in steps if needed & set(s.output_map.values())}
    named = (inspected.model(name) for name in before)
    return any(PADDED in key for each in named if each for key in each.message.parameters)


def _networks(inspected: Inspected) -> Iterator[tuple[Model, OnnxGraph]]:
    """Models run by ONNX Runtime, with the network of each version that is served."""
    for model in inspected.models:
        if model.backend == "onnxruntime":
            for version in served(model):
                if version.onnx is not None:
                    yield model, version.onnx
