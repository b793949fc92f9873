"""TensorRT, as an accelerator of ONNX Runtime and as a backend."""

from collections.abc import Iterator, Mapping

from servers.triton_service.doctor.findings import Found
from servers.triton_service.doctor.inspected import Inspected
from servers.triton_service.doctor.models import Model
from servers.triton_service.doctor.places import Place
from servers.triton_service.doctor.releases import known, since
from servers.triton_service.doctor.rules.layout import served

ACCELERATOR = ("optimization", "execution_accelerators", "gpu_execution_accelerator=tensorrt")
PRECISION, CACHE, CACHE_PATH = "precision_mode", "trt_engine_cache_enable", "trt_engine_cache_path"
NOTES = (".json", ".toml", ".txt", ".md", ".yaml")


def trt_precision(inspected: Inspected) -> Iterator[Found]:
    for model, parameters in _accelerated(inspected):
        if PRECISION not in parameters:
            yield Found(
                model.place(*ACCELERATOR),
                "expected a precision_mode for TensorRT, found none: it runs in FP32.",
                _added(model, (PRECISION, "FP16")),
            )


def trt_precision_mode(inspected: Inspected) -> Iterator[Found]:
    modes = known()["tensorrt_accelerator"]["precisions"]
    for model, parameters in _accelerated(inspected):
        mode = parameters.get(PRECISION, "FP32")
        early = [each for each in inspected.releases if each < since("bf16_precision")]
        if mode not in modes or (mode == "BF16" and early):
            yield Found(
                model.place(*ACCELERATOR, f"parameters={PRECISION}"),
                f"expected precision_mode FP32, FP16 or INT8, found {mode}"
                + (f", which {early[0]} does not know." if mode in modes else "."),
                model.config.with_value('"FP16"', *ACCELERATOR, f"parameters={PRECISION}", "value")
                if model.config
                else "",
            )


def trt_precision_ignored(inspected: Inspected) -> Iterator[Found]:
    late = [each for each in inspected.releases if each >= since("tensorrt_11")]
    for model, parameters in _accelerated(inspected):
        if parameters.get(PRECISION) in ("FP16", "BF16") and late:
            yield Found(
                model.place(*ACCELERATOR, f"parameters={PRECISION}"),
                f"{late[0]} brings TensorRT 11, which takes the precision from the network: "
                f"convert the ONNX file to {parameters[PRECISION]}, or stay below 26.06.",
            )


def trt_engine_cache(inspected: Inspected) -> Iterator[Found]:
    for model, parameters in _accelerated(inspected):
        enabled = parameters.get(CACHE, "0").lower() in ("1", "true")
        if not enabled or CACHE_PATH not in parameters:
            missing = [(CACHE, "1"), (CACHE_PATH, f"/trt_cache/{model.name}")]
            yield Found(
                model.place(*ACCELERATOR),
                f"expected {CACHE} and {CACHE_PATH}, found {'no path' if enabled else 'none'}: "
                "engines are built at every start.",
                _added(model, *(pair for pair in missing if pair[0] not in parameters)),
            )


def trt_cache_read_only(inspected: Inspected) -> Iterator[Found]:
    mounts = [volume for each in inspected.deployments for volume in each.volumes]
    for model, parameters in _accelerated(inspected):
        path = parameters.get(CACHE_PATH, "")
        inside = [
            (target, "ro" in flags.split(","), volume)
            for volume in mounts
            for _, _, rest in [volume.text.partition(":")]
            for target, _, flags in [rest.partition(":")]
            if target and f"{path}/".startswith(target.rstrip("/") + "/")
        ]
        if path and inside:
            target, read_only, volume = max(inside, key=lambda each: len(each[0]))
            if read_only:
                yield Found(
                    model.place(*ACCELERATOR, f"parameters={CACHE_PATH}"),
                    f"{path} lies in {target}, which {volume.place.file}:{volume.place.line} "
                    "mounts read-only: give the cache a volume of its own.",
                )


def trt_profiles(inspected: Inspected) -> Iterator[Found]:
    for model, parameters in _accelerated(inspected):
        free = [tensor.name for tensor in model.message.input if -1 in tensor.dims]
        if free and not any(key.startswith("trt_profile_") for key in parameters):
            most = model.message.max_batch_size or 1
            shapes = ((1, 8), (max(1, most // 2), 128), (most, 512))
            pairs = [
                (
                    f"trt_profile_{bound}_shapes",
                    ",".join(f"{name}:{batch}x{length}" for name in free),
                )
                for bound, (batch, length) in zip(("min", "opt", "max"), shapes, strict=True)
            ]
            simple = all(len(t.dims) == 1 for t in model.message.input if t.name in free)
            yield Found(
                model.place(*ACCELERATOR),
                f"expected profiles for {', '.join(free)}, whose length is free, found none.",
                _added(model, *pairs) if simple else "",
            )


def trt_key(inspected: Inspected) -> Iterator[Found]:
    table = known()["tensorrt_accelerator"]
    early = [each for each in inspected.releases if each < since("trt_profile_keys")]
    for model, parameters in _accelerated(inspected):
        for key in sorted(parameters):
            unknown = key not in table["first_keys"] + table["keys"]
            if not unknown and not (early and key in table["keys"]):
                continue
            yield Found(
                model.place(*ACCELERATOR, f"parameters={key}"),
                f"expected keys of the TensorRT accelerator, found {key}"
                + ("." if unknown else f", which {early[0]} does not know: use 24.04 or newer."),
                model.config.without(*ACCELERATOR, f"parameters={key}") if model.config else "",
            )


def plan_origin(inspected: Inspected) -> Iterator[Found]:
    for model in inspected.models:
        if model.backend != "tensorrt" or model.served:
            continue
        for version in served(model):
            if not any(name.endswith(NOTES) for name in version.files_bytes):
                yield Found(
                    Place(f"{model.folder}/{version.number}"),
                    "expected a note beside the plan that says with which image and on which GPU "
                    "it was built, found none.",
                )


def _accelerated(inspected: Inspected) -> Iterator[tuple[Model, Mapping[str, str]]]:
    for model in inspected.models:
        accelerators = model.message.optimization.execution_accelerators.gpu_execution_accelerator
        for accelerator in accelerators:
            if accelerator.name == "tensorrt":
                yield model, accelerator.parameters


def _added(model: Model, *pairs: tuple[str, str]) -> str:
    """The diff that gives the accelerator more parameters."""
    if model.config is None or not pairs:
        return ""
    line = "\n".join(f'parameters {{ key: "{key}" value: "{value}" }}' for key, value in pairs)
    return model.config.with_added(line, *ACCELERATOR)


def trt_profile_shapes(inspected: Inspected) -> Iterator[Found]:
    for model, parameters in _accelerated(inspected):
        if not any(key.startswith("trt_profile_") for key in parameters):
            continue
        place = model.place(*ACCELERATOR, "parameters=trt_profile_min_shapes")
        try:
            low, usual, high = (
                _shapes(parameters.get(f"trt_profile_{bound}_shapes", ""))
                for bound in ("min", "opt", "max")
            )
            problems = list(_profile_problems(model, low, usual, high))
        except ValueError:
            problems = [
                "expected shapes written as input_ids:1x8,attention_mask:1x8, found others."
            ]
        for problem in problems:
            yield Found(place, problem)


_Shapes = Mapping[str, tuple[int, ...]]


def _profile_problems(model: Model, low: _Shapes, usual: _Shapes, high: _Shapes) -> Iterator[str]:
    free = {tensor.name for tensor in model.message.input if -1 in tensor.dims}
    missing = sorted(
        (free | set(low) | set(usual) | set(high)) - (set(low) & set(usual) & set(high))
    )
    if missing:
        yield f"expected min, opt and max shapes of {', '.join(missing)}, found not all three."
    for name in sorted(set(low) & set(usual) & set(high)):
        shapes = zip(low[name], usual[name], high[name], strict=True)
        if not all(a <= b <= c for a, b, c in shapes):
            yield f"expected min <= opt <= max for {name}, found another order."
        if high[name][0] < model.message.max_batch_size:
            yield (
                f"expected a profile of {name} up to max_batch_size "
                f"({model.message.max_batch_size}), found {high[name][0]}."
            )


def _shapes(profile: str) -> dict[str, tuple[int, ...]]:
    """input_ids:1x8,attention_mask:1x8; ValueError where it is written otherwise."""
    entries = (entry.strip().rpartition(":") for entry in profile.split(",") if entry.strip())
    return {name: tuple(int(size) for size in shape.split("x")) for name, _, shape in entries}
