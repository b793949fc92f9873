"""Instances: where they run, how many there are, and with how many threads."""

from collections.abc import Iterator

from tritonclient.grpc import model_config_pb2 as pb

from servers.triton_service.doctor.findings import Found
from servers.triton_service.doctor.inspected import Inspected

GROUP = "instance_group"
CPU, GPU = pb.ModelInstanceGroup.KIND_CPU, pb.ModelInstanceGroup.KIND_GPU
USUAL_INSTANCES = 2
THREADS = "intra_op_thread_count"


def cpu_with_gpus(inspected: Inspected) -> Iterator[Found]:
    for model in inspected.models:
        for group in model.message.instance_group:
            if group.kind == CPU and group.gpus and model.config:
                yield Found(
                    model.place(GROUP, "gpus"),
                    f"expected no gpus for KIND_CPU, found {list(group.gpus)}.",
                    model.config.without(GROUP, "gpus"),
                )


def gpu_not_given(inspected: Inspected) -> Iterator[Found]:
    without = [each for each in inspected.deployments if not each.gpu]
    if not without or len(without) < len(inspected.deployments):
        return
    for model in inspected.models:
        if any(group.kind == GPU for group in model.message.instance_group) and model.config:
            yield Found(
                model.place(GROUP, "kind"),
                f"KIND_GPU needs a GPU, and {without[0].place.file} starts Triton without "
                "one: give it one, or let the kind be KIND_AUTO.",
                model.config.with_value("KIND_AUTO", GROUP, "kind"),
            )


def too_many_instances(inspected: Inspected) -> Iterator[Found]:
    for model in inspected.models:
        for group in model.message.instance_group:
            if group.count > USUAL_INSTANCES and group.kind != CPU and model.config:
                yield Found(
                    model.place(GROUP, "count"),
                    f"{group.count} instances a GPU: measure 1 and {USUAL_INSTANCES} first.",
                    model.config.with_value("1", GROUP, "count"),
                )


def instances_and_memory(inspected: Inspected) -> Iterator[Found]:
    for model in inspected.models:
        accelerators = model.message.optimization.execution_accelerators.gpu_execution_accelerator
        compiled = any(each.name == "tensorrt" for each in accelerators)
        for group in model.message.instance_group:
            if group.count > 1 and compiled and model.config:
                yield Found(
                    model.place(GROUP, "count"),
                    f"{group.count} instances build and hold their TensorRT engines "
                    f"{group.count} times.",
                    model.config.with_value("1", GROUP, "count"),
                )


def thread_oversubscription(inspected: Inspected) -> Iterator[Found]:
    for model in inspected.models:
        message = model.message
        if model.backend != "onnxruntime" or THREADS in message.parameters or not model.config:
            continue
        for group in message.instance_group:
            count = group.count or 2
            if group.kind == CPU and count > 1:
                said = (
                    f"{count} instances" if group.count else "KIND_CPU without count: 2 instances"
                )
                yield Found(
                    model.place(GROUP, "count" if group.count else "kind"),
                    f"{said}, and no {THREADS}: each takes every core.",
                    model.config.with_added(
                        f'parameters {{ key: "{THREADS}" value {{ string_value: "1" }} }}'
                    ),
                )


def accelerator_on_cpu(inspected: Inspected) -> Iterator[Found]:
    path = ("optimization", "execution_accelerators", "gpu_execution_accelerator")
    for model in inspected.models:
        message = model.message
        kinds = {group.kind for group in message.instance_group}
        accelerators = message.optimization.execution_accelerators.gpu_execution_accelerator
        if accelerators and kinds == {CPU} and model.config:
            yield Found(
                model.place(*path),
                f"{accelerators[0].name} acts on KIND_GPU instances, and this model has KIND_CPU "
                "alone.",
                model.config.with_value("KIND_GPU", GROUP, "kind"),
            )


def python_serial(inspected: Inspected) -> Iterator[Found]:
    for model in inspected.models:
        message = model.message
        count = sum(group.count or 1 for group in message.instance_group)
        alone = message.max_batch_size < 2 and not message.HasField("sequence_batching")
        if model.backend == "python" and alone and count < 2 and model.config:
            yield Found(
                model.place("max_batch_size"),
                "one process, and no batch of requests: give the model max_batch_size and "
                "dynamic_batching, or more instances.",
            )
