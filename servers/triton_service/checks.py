"""What Triton would refuse, or silently not do, found before a server is started."""

from collections.abc import Iterator, Mapping, Sequence

from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2 as pb

from servers.contract import MODEL_NAME


class ConfigError(ValueError):
    """A model configuration cannot be read, or means something Triton would not serve."""


def to_text(config: pb.ModelConfig) -> str:
    """The content of config.pbtxt."""
    text: str = text_format.MessageToString(config)
    return text


def parse_config(text: str, source: str) -> pb.ModelConfig:
    """Reads a config.pbtxt; source names it in errors."""
    try:
        return text_format.Parse(text, pb.ModelConfig())
    except text_format.ParseError as error:
        raise ConfigError(
            f"{source}: expected a Triton model configuration, found {error}"
        ) from None


def check_repository(configs: Sequence[pb.ModelConfig], batcher: bool = True) -> None:
    """Raises ConfigError naming every problem of the models, alone and together.

    batcher False: the network is meant to run each request alone.
    """
    by_name = {config.name: config for config in configs}
    problems = [
        f"{config.name}: {problem}"
        for config in configs
        for problem in (
            *_model_problems(config),
            *_batcher_problems(config, batcher or config.name not in ("classifier", MODEL_NAME)),
            *ensemble_problems(config, by_name),
        )
    ]
    if len(by_name) < len(configs):
        problems.append("two models have the same name")
    if problems:
        raise ConfigError("; ".join(problems) + ".")


def _model_problems(config: pb.ModelConfig) -> Iterator[str]:
    if bool(config.backend) == bool(config.platform):
        yield "expected either a backend or a platform"
    if config.max_batch_size < 1:
        yield "expected max_batch_size of at least 1: without it dynamic batching is silently off"
    if config.response_cache.enable:
        yield "the response cache is on: repeated texts would measure the cache"
    for tensor in (*config.input, *config.output):
        if not tensor.dims or any(size == 0 or size < -1 for size in tensor.dims):
            yield f"{tensor.name}: expected dims of -1 or positive sizes, found {list(tensor.dims)}"
    preferred = config.dynamic_batching.preferred_batch_size
    if any(size < 1 or size > config.max_batch_size for size in preferred):
        yield f"preferred_batch_size {list(preferred)} is outside 1..{config.max_batch_size}"
    yield from _group_problems(config)
    yield from _warm_up_problems(config)
    yield from _profile_problems(config)


def _batcher_problems(config: pb.ModelConfig, wanted: bool) -> Iterator[str]:
    if config.platform == "ensemble" or config.HasField("dynamic_batching") == wanted:
        return
    if wanted:
        yield "expected dynamic_batching: without it every request runs alone"
    else:
        yield "dynamic_batching is on, and was to be off"


def _group_problems(config: pb.ModelConfig) -> Iterator[str]:
    if config.platform == "ensemble" and config.instance_group:
        yield "an ensemble has no instance_group"
    for group in config.instance_group:
        if group.count < 1:
            yield "expected an instance_group count: ONNX Runtime on CPU would start two"
        if group.kind == pb.ModelInstanceGroup.KIND_CPU and group.gpus:
            yield "an instance_group on CPU names GPUs"
        accelerators = config.optimization.execution_accelerators.gpu_execution_accelerator
        if accelerators and group.kind != pb.ModelInstanceGroup.KIND_GPU:
            yield "a GPU accelerator needs an instance_group of KIND_GPU"


def _warm_up_problems(config: pb.ModelConfig) -> Iterator[str]:
    inputs = {tensor.name for tensor in config.input}
    for sample in config.model_warmup:
        if not 1 <= sample.batch_size <= config.max_batch_size:
            yield f"warm-up {sample.name}: batch_size is outside 1..{config.max_batch_size}"
        if set(sample.inputs) != inputs:
            yield f"warm-up {sample.name}: expected the inputs {sorted(inputs)}"


def _profile_problems(config: pb.ModelConfig) -> Iterator[str]:
    """TensorRT builds an engine for a range of shapes; every dynamic input needs all three."""
    dynamic = {tensor.name for tensor in config.input if -1 in tensor.dims}
    for accelerator in config.optimization.execution_accelerators.gpu_execution_accelerator:
        if accelerator.name != "tensorrt":
            continue
        low, usual, high = (
            _shapes(accelerator.parameters.get(f"trt_profile_{bound}_shapes", ""))
            for bound in ("min", "opt", "max")
        )
        if not set(low) == set(usual) == set(high) == dynamic:
            yield f"expected TensorRT min, opt and max shapes of {sorted(dynamic)}"
            continue
        for name in sorted(dynamic):
            shapes = zip(low[name], usual[name], high[name], strict=True)
            if not all(a <= b <= c for a, b, c in shapes):
                yield f"TensorRT shapes of {name} are not min <= opt <= max"
            if high[name][0] < config.max_batch_size:
                yield f"the TensorRT profile of {name} ends below max_batch_size"


def _shapes(profile: str) -> dict[str, tuple[int, ...]]:
    entries = (entry.split(":") for entry in profile.split(",") if entry)
    return {name: tuple(int(size) for size in shape.split("x")) for name, shape in entries}


def ensemble_problems(
    config: pb.ModelConfig, models: Mapping[str, pb.ModelConfig]
) -> Iterator[str]:
    """Follows the tensors through the steps: each is made before it is used, with one type."""
    if config.platform != "ensemble":
        return
    made = {tensor.name: tensor for tensor in config.input}
    for step in config.ensemble_scheduling.step:
        model = models.get(step.model_name)
        if model is None:
            yield f"step {step.model_name}: there is no such model"
            continue
        if model.max_batch_size < config.max_batch_size:
            yield f"step {step.model_name}: its max_batch_size is below the ensemble's"
        inputs = {tensor.name: tensor for tensor in model.input}
        outputs = {tensor.name: tensor for tensor in model.output}
        needed = {name for name, tensor in inputs.items() if not tensor.optional}
        if not needed <= set(step.input_map) <= set(inputs):
            yield f"step {step.model_name}: expected its inputs {sorted(inputs)} to be mapped"
        for name, tensor in step.input_map.items():
            if name in inputs:
                yield from _flow_problems(tensor, made.get(tensor), inputs[name])
        for name, tensor in step.output_map.items():
            if name not in outputs:
                yield f"step {step.model_name}: it has no output {name}"
            else:
                made[tensor] = outputs[name]
    for tensor in config.output:
        yield from _flow_problems(tensor.name, made.get(tensor.name), tensor)


def _flow_problems(
    name: str, source: pb.ModelInput | pb.ModelOutput | None, target: pb.ModelInput | pb.ModelOutput
) -> Iterator[str]:
    if source is None:
        yield f"tensor {name} is used and no earlier step makes it"
    elif source.data_type != target.data_type or not _fit(source.dims, target.dims):
        yield f"tensor {name} changes its type or shape between two steps"


def _fit(made: Sequence[int], taken: Sequence[int]) -> bool:
    """Whether two shapes can be one; -1 is any size."""
    return len(made) == len(taken) and all(
        -1 in (a, b) or a == b for a, b in zip(made, taken, strict=True)
    )
