"""What a model takes and gives, from what the server says of it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

ANY_SIZE = -1


@dataclass(frozen=True)
class TensorSpec:
    """datatype as in KServe v2; shape includes the batch dimension where the model has one.

    A size is -1 where any will do.
    """

    name: str
    datatype: str
    shape: tuple[int, ...]
    optional: bool = False


@dataclass(frozen=True)
class ModelSpec:
    """max_batch_size 0: the model has no batch dimension.

    stateful: it remembers requests. decoupled: it sends any number of answers.
    """

    name: str
    versions: tuple[str, ...]
    max_batch_size: int
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    stateful: bool = False
    decoupled: bool = False

    @property
    def about(self) -> str:
        """How sentences begin that are about it."""
        return f"model {self.name!r}"


def model_spec(metadata: Mapping[str, Any], config: Mapping[str, Any]) -> ModelSpec:
    """From the JSON of both, as either protocol gives it.

    The metadata has names, types and shapes. That the first size is the batch, and that a tensor
    may be left out, only the configuration says. gRPC's JSON has numbers as strings, and leaves out
    what is zero or empty.
    """
    optional = {tensor["name"] for tensor in config.get("input", ()) if tensor.get("optional")}
    policy = config.get("model_transaction_policy") or {}
    return ModelSpec(
        name=metadata["name"],
        versions=tuple(metadata.get("versions", ())),
        max_batch_size=int(config.get("max_batch_size", 0)),
        inputs=_tensors(metadata.get("inputs", ()), optional),
        outputs=_tensors(metadata.get("outputs", ()), set()),
        stateful="sequence_batching" in config,
        decoupled=bool(policy.get("decoupled")),
    )


def tensor_named(tensors: Iterable[TensorSpec], name: str) -> TensorSpec | None:
    return next((tensor for tensor in tensors if tensor.name == name), None)


def sizes_fit(shape: Sequence[int], other: Sequence[int]) -> bool:
    """Whether two shapes can be one."""
    return len(shape) == len(other) and all(
        ANY_SIZE in (a, b) or a == b for a, b in zip(shape, other, strict=True)
    )


def names_in_words(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"


def shape_in_words(spec: ModelSpec, tensor: TensorSpec) -> str:
    """Such as [1 to 8, 4, any]."""
    sizes = ["any" if size == ANY_SIZE else str(size) for size in tensor.shape]
    if spec.max_batch_size:
        sizes[0] = f"1 to {spec.max_batch_size}"
    return f"[{', '.join(sizes)}]"


def _tensors(entries: Iterable[Mapping[str, Any]], optional: set[str]) -> tuple[TensorSpec, ...]:
    return tuple(
        TensorSpec(
            name=entry["name"],
            datatype=entry["datatype"],
            shape=tuple(int(size) for size in entry["shape"]),
            optional=entry["name"] in optional,
        )
        for entry in entries
    )
