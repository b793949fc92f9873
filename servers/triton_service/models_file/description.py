"""What a models file says: frozen values that refuse keys they do not know."""

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from servers.triton_service.models_file.sizes import BertSize, DeepFmSize, ResNetSize
from servers.triton_service.models_file.strict import Count, Positive, Strict, require_one

Backend = Literal["onnxruntime", "python", "tensorrt", "pytorch"]
Datatype = Literal[
    "BOOL",
    "UINT8",
    "UINT16",
    "UINT32",
    "UINT64",
    "INT8",
    "INT16",
    "INT32",
    "INT64",
    "FP16",
    "FP32",
    "FP64",
    "BF16",
    "STRING",
]
# What Triton takes for the name of a folder, and every file system.
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$", max_length=128)]
Size = Annotated[int, Field(ge=-1, le=2**31 - 1)]
Dims = Annotated[tuple[Size, ...], Field(min_length=1)]

FREE = -1
"""A size that each request may choose."""


class Tensor(Strict):
    """dims leave the batch dimension out, unless max_batch_size is 0."""

    name: Annotated[str, Field(min_length=1)]
    dtype: Datatype
    dims: Dims

    @field_validator("dims")
    @classmethod
    def _no_empty_dimension(cls, dims: tuple[int, ...]) -> tuple[int, ...]:
        if 0 in dims:
            raise ValueError(f"expected positive sizes, or -1 for any, found {list(dims)}")
        return dims


class Generator(Strict):
    """A network that is written as ONNX; seed gives it its weights: its answers mean nothing."""

    bert: BertSize | None = None
    resnet: ResNetSize | None = None
    deepfm: DeepFmSize | None = None
    seed: Count = 0

    @model_validator(mode="after")
    def _is_one(self) -> "Generator":
        require_one(self, "bert", "resnet", "deepfm")
        return self

    @property
    def size(self) -> BertSize | ResNetSize | DeepFmSize:
        size = self.bert or self.resnet or self.deepfm
        assert size is not None
        return size


class Version(Strict):
    """The folder of a version, with a file copied from beside the models file, or generated."""

    number: Positive
    file: str | None = None
    generator: Generator | None = None

    @field_validator("file")
    @classmethod
    def _beside_the_models_file(cls, file: str | None, info: ValidationInfo) -> str | None:
        if file is None:
            return None
        path = Path((info.context or {}).get("folder", "")) / file
        # os.path says no, and raises nothing, of a name that no file can have.
        if not (os.path.isfile(path) and os.access(path, os.R_OK)):
            raise ValueError(f"expected a file that can be read, found none at {path}")
        return str(path)

    @model_validator(mode="after")
    def _has_one_source(self) -> "Version":
        require_one(self, "file", "generator")
        return self


class VersionPolicy(Strict):
    """Which versions are served; Triton's default is the latest one."""

    latest: Positive | None = None
    all: Literal[True] | None = None
    specific: Annotated[tuple[Positive, ...], Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _is_one(self) -> "VersionPolicy":
        require_one(self, "latest", "all", "specific")
        return self


class Batcher(Strict):
    """How requests that wait together share a run. max_queue_size: a request more is refused;
    queue_timeout_us: one that waited longer is refused, or delayed behind the others; 0: never."""

    max_queue_delay_us: Count = 0
    preferred_batch_sizes: tuple[Positive, ...] = ()
    max_queue_size: Count = 0
    queue_timeout_us: Count = 0
    timeout_action: Literal["reject", "delay"] = "reject"
    allow_timeout_override: bool = False


class Instances(Strict):
    """count is that of each device; devices are numbers of GPUs, none: all of them."""

    count: Positive = 1
    kind: Literal["cpu", "gpu", "auto"] = "cpu"
    devices: tuple[Count, ...] = ()

    @model_validator(mode="after")
    def _devices_are_gpus(self) -> "Instances":
        if self.devices and self.kind != "gpu":
            raise ValueError(f'expected kind = "gpu" beside devices, found "{self.kind}"')
        return self


class WarmUp(Strict):
    """A request made at loading; dims of the inputs whose size is free, contents by data."""

    batch_size: Positive = 1
    repeats: Positive = 1
    data: Literal["zeros", "random"] = "zeros"
    dims: Mapping[str, Annotated[tuple[Positive, ...], Field(min_length=1)]] = {}


class ModelEntry(Strict):
    """One model of the repository. parameters that are no texts reach the backend as JSON."""

    name: Name
    backend: Backend
    max_batch_size: Count
    inputs: Annotated[tuple[Tensor, ...], Field(min_length=1)]
    outputs: Annotated[tuple[Tensor, ...], Field(min_length=1)]
    versions: Annotated[tuple[Version, ...], Field(min_length=1)]
    version_policy: VersionPolicy = VersionPolicy(latest=1)
    batcher: Batcher | None = None
    instances: Instances = Instances()
    warm_up: tuple[WarmUp, ...] = ()
    parameters: Mapping[str, Any] = {}

    @field_validator("inputs", "outputs")
    @classmethod
    def _tensors_differ(cls, tensors: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        _require_different("name", "tensor", (tensor.name for tensor in tensors))
        return tensors

    @model_validator(mode="after")
    def _versions_are_there(self) -> "ModelEntry":
        numbers = [version.number for version in self.versions]
        _require_different("number", "version", numbers)
        missing = [n for n in self.version_policy.specific or () if n not in numbers]
        if missing:
            raise ValueError(
                f"expected version_policy to name versions that there are "
                f"({', '.join(map(str, numbers))}), found {missing[0]}"
            )
        for version in self.versions:
            if version.generator and self.backend != "onnxruntime":
                raise ValueError(
                    'expected backend = "onnxruntime" for a generator, which writes ONNX, found '
                    f'"{self.backend}"'
                )
        return self

    @model_validator(mode="after")
    def _batches_fit(self) -> "ModelEntry":
        most = self.max_batch_size
        if self.batcher is None:
            return self
        if most == 0:
            raise ValueError("expected max_batch_size of at least 1 for a batcher, found 0")
        above = [size for size in self.batcher.preferred_batch_sizes if size > most]
        if above:
            raise ValueError(
                f"expected preferred_batch_sizes of at most max_batch_size ({most}), found "
                f"{above[0]}"
            )
        return self

    @model_validator(mode="after")
    def _warm_up_fits(self) -> "ModelEntry":
        for sample in self.warm_up:
            if sample.batch_size > max(1, self.max_batch_size):
                raise ValueError(
                    f"expected a warm-up batch_size of at most max_batch_size "
                    f"({self.max_batch_size}), found {sample.batch_size}"
                )
            for tensor in self.inputs:
                _require_fitting(tensor, sample)
            unknown = set(sample.dims) - {tensor.name for tensor in self.inputs}
            if unknown:
                raise ValueError(
                    f"expected warm-up dims of the inputs "
                    f"{', '.join(tensor.name for tensor in self.inputs)}, found {min(unknown)}"
                )
        return self


class ModelsFile(Strict):
    models: Annotated[tuple[ModelEntry, ...], Field(min_length=1)]

    @field_validator("models")
    @classmethod
    def _models_differ(cls, models: tuple[ModelEntry, ...]) -> tuple[ModelEntry, ...]:
        _require_different("name", "model", (model.name for model in models))
        return models


def _require_different(what: str, of: str, found: Iterable[object]) -> None:
    twice = [value for value, count in Counter(found).items() if count > 1]
    if twice:
        raise ValueError(f"expected a {what} of its own for each {of}, found {twice[0]!r} twice")


def _require_fitting(tensor: Tensor, sample: WarmUp) -> None:
    """Zeros or random numbers need a size in every dimension."""
    given = sample.dims.get(tensor.name, tensor.dims)
    fits = len(given) == len(tensor.dims) and all(
        FREE in (free, size) or free == size for free, size in zip(tensor.dims, given, strict=True)
    )
    if FREE in given or not fits:
        raise ValueError(
            f"expected warm-up dims for the input {tensor.name} that fit {list(tensor.dims)}, "
            f"found {list(given)}"
        )
