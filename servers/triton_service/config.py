"""The configuration of each Triton model, as protobuf messages."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from tritonclient.grpc import model_config_pb2 as pb

from servers.contract import LENGTH_BUCKETS, MAX_LENGTH_TOKENS, MODEL_NAME
from servers.engines import EngineName
from servers.placement import CPU, Placement
from servers.triton_service.checks import ConfigError

Form = Literal["embedded", "native-cpu", "native-tensorrt"]
FORMS: tuple[Form, ...] = ("embedded", "native-cpu", "native-tensorrt")

WORKSPACE_BYTES = 4 << 30


@dataclass(frozen=True)
class RepositorySpec:
    """What a model repository is generated for.

    form: the classifier runs as engine, placed as placement says, in the Python backend
    (embedded), in Triton's own ONNX Runtime backend (native-cpu), or there with TensorRT in FP16
    (native-tensorrt). model_dir is the built classifier; the embedded form reads it as it serves.
    threads is the number of intra-op threads of each classifier instance; batcher False runs each
    request alone; texts False leaves out every model that takes or gives byte tensors, the
    tokenizer among them; ensemble False makes one model of tokenizer and classifier. Of what waits
    for the network, max_queue_size and queue_timeout_us say when it is refused; 0: never.
    preferred_batch_sizes empty: a batch of any size leaves as soon as an instance is free.
    engine_cache is the writable folder, on the machine that runs Triton, for TensorRT engines of
    the native form.
    """

    form: Form
    n_labels: int
    model_dir: Path
    engine: EngineName = "onnxruntime"
    placement: Placement = CPU
    threads: int = 1
    batcher: bool = True
    texts: bool = True
    ensemble: bool = True
    max_batch_size: int = 32
    max_queue_delay_us: int = 0
    max_queue_size: int = 0
    queue_timeout_us: int = 0
    preferred_batch_sizes: tuple[int, ...] = ()
    instances: int = 1
    length_buckets: tuple[int, ...] = LENGTH_BUCKETS
    engine_cache: str = "/trt_cache"


def model_configs(spec: RepositorySpec) -> list[pb.ModelConfig]:
    """The configuration of every model of the repository, the ensemble last."""
    if not spec.texts:
        return [embedded_classifier_config(spec)]
    if not spec.ensemble:
        return [one_model_config(spec)]
    if spec.form == "embedded":
        models = [tokenizer_config(spec), embedded_classifier_config(spec)]
    else:
        models = [tokenizer_config(spec), native_classifier_config(spec), decoder_config(spec)]
    return [*models, ensemble_config(spec)]


def tokenizer_config(spec: RepositorySpec) -> pb.ModelConfig:
    return pb.ModelConfig(
        name="tokenizer",
        backend="python",
        max_batch_size=spec.max_batch_size,
        input=[_input("TEXT", pb.TYPE_STRING, 1)],
        output=[
            _output("input_ids", pb.TYPE_INT64, -1),
            _output("attention_mask", pb.TYPE_INT64, -1),
        ],
        instance_group=[_group(1, pb.ModelInstanceGroup.KIND_CPU)],
        dynamic_batching=pb.ModelDynamicBatching(),
        parameters=_parameters(**_lengths(spec)),
    )


def embedded_classifier_config(spec: RepositorySpec) -> pb.ModelConfig:
    config = _classifier_config(spec)
    config.backend = "python"
    # Without it Triton ends a batch wherever the padded length changes: under mixed traffic the
    # mean batch stays below two. The Python backend gets each request whole, so lengths may mix.
    for tensor in config.input:
        tensor.allow_ragged_batch = True
    if spec.texts:
        config.output.extend(_answer_outputs())
    _run_by_our_engine(config, spec)
    return config


def one_model_config(spec: RepositorySpec) -> pb.ModelConfig:
    """TEXT -> LABEL, CONFIDENCE in one Python process: what the ensemble does in two."""
    config = pb.ModelConfig(
        name=MODEL_NAME,
        backend="python",
        max_batch_size=spec.max_batch_size,
        input=[_input("TEXT", pb.TYPE_STRING, 1)],
        output=_answer_outputs(),
        parameters=_parameters(**_lengths(spec)),
    )
    _run_by_our_engine(config, spec)
    _batch(config, spec)
    return config


def _run_by_our_engine(config: pb.ModelConfig, spec: RepositorySpec) -> None:
    # Of the CPU also where the engine uses a GPU: the kind says where Triton hands tensors over,
    # and the engine copies ids and logits itself, as it does in every other contender.
    config.instance_group.append(_group(spec.instances, pb.ModelInstanceGroup.KIND_CPU))
    settings = _parameters(
        engine=spec.engine,
        model_dir=str(spec.model_dir),
        placement=json.dumps(asdict(spec.placement)),
        intra_op_threads=str(spec.threads),
    )
    for name, value in settings.items():
        config.parameters[name].CopyFrom(value)


def native_classifier_config(spec: RepositorySpec) -> pb.ModelConfig:
    config = _classifier_config(spec)
    config.backend = "onnxruntime"
    if spec.form == "native-tensorrt":
        config.instance_group.append(_group(spec.instances, pb.ModelInstanceGroup.KIND_GPU))
        config.optimization.execution_accelerators.gpu_execution_accelerator.append(
            _tensorrt_fp16(spec)
        )
    else:
        config.instance_group.append(_group(spec.instances, pb.ModelInstanceGroup.KIND_CPU))
        config.parameters["intra_op_thread_count"].string_value = str(spec.threads)
        config.parameters["inter_op_thread_count"].string_value = "1"
    return config


def decoder_config(spec: RepositorySpec) -> pb.ModelConfig:
    return pb.ModelConfig(
        name="decoder",
        backend="python",
        max_batch_size=spec.max_batch_size,
        input=[_input("logits", pb.TYPE_FP32, spec.n_labels)],
        output=_answer_outputs(),
        instance_group=[_group(1, pb.ModelInstanceGroup.KIND_CPU)],
        dynamic_batching=pb.ModelDynamicBatching(),
    )


def ensemble_config(spec: RepositorySpec) -> pb.ModelConfig:
    """TEXT -> LABEL, CONFIDENCE; every step batches on its own, the ensemble itself does not."""
    encoded = ("input_ids", "attention_mask")
    answer = ("LABEL", "CONFIDENCE")
    steps = [_step("tokenizer", ("TEXT",), encoded)]
    if spec.form == "embedded":
        steps += [_step("classifier", encoded, answer)]
    else:
        steps += [_step("classifier", encoded, ("logits",)), _step("decoder", ("logits",), answer)]
    return pb.ModelConfig(
        name=MODEL_NAME,
        platform="ensemble",
        max_batch_size=spec.max_batch_size,
        input=[_input("TEXT", pb.TYPE_STRING, 1)],
        output=_answer_outputs(),
        ensemble_scheduling=pb.ModelEnsembling(step=steps),
    )


def _classifier_config(spec: RepositorySpec) -> pb.ModelConfig:
    # Warm-up as requests, not in the model's own start: they also grow the shared memory pools,
    # and build TensorRT engines before the first caller. They count in the model's statistics.
    config = pb.ModelConfig(
        name="classifier",
        max_batch_size=spec.max_batch_size,
        input=[
            _input("input_ids", pb.TYPE_INT64, -1),
            _input("attention_mask", pb.TYPE_INT64, -1),
        ],
        output=[_output("logits", pb.TYPE_FP32, spec.n_labels)],
        model_warmup=[
            _warm_up(batch_size, length)
            for length in spec.length_buckets
            for batch_size in sorted({1, spec.max_batch_size})
        ],
    )
    _batch(config, spec)
    return config


def _batch(config: pb.ModelConfig, spec: RepositorySpec) -> None:
    """Gives the model that runs the network its batcher, and with it a queue that has bounds."""
    bounded = bool(spec.max_queue_size or spec.queue_timeout_us)
    if not spec.batcher:
        if bounded or spec.preferred_batch_sizes:
            raise ConfigError(
                "expected batcher = true for max_queue_size, queue_timeout_us or "
                "preferred_batch_sizes, found false: they are the batcher's; leave them at their "
                "defaults, or set batcher to true."
            )
        return
    config.dynamic_batching.preferred_batch_size.extend(spec.preferred_batch_sizes)
    config.dynamic_batching.max_queue_delay_microseconds = spec.max_queue_delay_us
    config.dynamic_batching.SetInParent()  # a delay of 0 alone would leave it out
    if bounded:
        policy = config.dynamic_batching.default_queue_policy
        policy.max_queue_size = spec.max_queue_size
        policy.default_timeout_microseconds = spec.queue_timeout_us
        policy.timeout_action = pb.ModelQueuePolicy.REJECT


def _lengths(spec: RepositorySpec) -> dict[str, str]:
    return {
        "length_buckets": ",".join(str(bucket) for bucket in spec.length_buckets),
        "max_length_tokens": str(MAX_LENGTH_TOKENS),
    }


def _tensorrt_fp16(
    spec: RepositorySpec,
) -> pb.ModelOptimizationPolicy.ExecutionAccelerators.Accelerator:
    """For TensorRT 10 or older: from 11 on FP16 comes from the network, not from a setting."""
    shortest, longest = min(spec.length_buckets), max(spec.length_buckets)
    usual_batch = max(1, spec.max_batch_size // 2)
    return pb.ModelOptimizationPolicy.ExecutionAccelerators.Accelerator(
        name="tensorrt",
        parameters={
            "precision_mode": "FP16",
            "max_workspace_size_bytes": str(WORKSPACE_BYTES),
            "trt_engine_cache_enable": "1",
            "trt_engine_cache_path": f"{spec.engine_cache}/engines",
            "trt_timing_cache_enable": "1",
            "trt_timing_cache_path": f"{spec.engine_cache}/timing",
            "trt_layer_norm_fp32_fallback": "1",
            "trt_profile_min_shapes": _profile(1, shortest),
            "trt_profile_opt_shapes": _profile(usual_batch, longest),
            "trt_profile_max_shapes": _profile(spec.max_batch_size, longest),
        },
    )


def _profile(batch_size: int, length: int) -> str:
    return f"input_ids:{batch_size}x{length},attention_mask:{batch_size}x{length}"


def _warm_up(batch_size: int, length: int) -> pb.ModelWarmup:
    zeros = pb.ModelWarmup.Input(data_type=pb.TYPE_INT64, dims=[length], zero_data=True)
    return pb.ModelWarmup(
        name=f"batch_{batch_size}_length_{length}",
        batch_size=batch_size,
        inputs={"input_ids": zeros, "attention_mask": zeros},
    )


def _input(name: str, data_type: int, size: int) -> pb.ModelInput:
    return pb.ModelInput(name=name, data_type=data_type, dims=[size])


def _output(name: str, data_type: int, size: int) -> pb.ModelOutput:
    return pb.ModelOutput(name=name, data_type=data_type, dims=[size])


def _answer_outputs() -> list[pb.ModelOutput]:
    return [_output("LABEL", pb.TYPE_STRING, 1), _output("CONFIDENCE", pb.TYPE_FP32, 1)]


def _group(count: int, kind: int) -> pb.ModelInstanceGroup:
    return pb.ModelInstanceGroup(count=count, kind=kind)


def _parameters(**values: str) -> dict[str, pb.ModelParameter]:
    return {name: pb.ModelParameter(string_value=value) for name, value in values.items()}


def _step(model: str, inputs: Sequence[str], outputs: Iterable[str]) -> pb.ModelEnsembling.Step:
    return pb.ModelEnsembling.Step(
        model_name=model,
        model_version=-1,
        input_map={name: name for name in inputs},
        output_map={name: name for name in outputs},
    )
