"""What client code asks of a Triton, as far as its text says it."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class ClientTensor:
    """An InferInput as written; None: not to be known without running the code."""

    name: str | None
    shape: tuple[int | None, ...] | None
    datatype: str | None
    line: int


@dataclass(frozen=True)
class ClientInference:
    """A call of infer; tensors is None where not all of them are known."""

    model: str | None
    tensors: tuple[ClientTensor, ...] | None
    line: int


@dataclass(frozen=True)
class ClientCall:
    """A method call on a client, result or input. module is that of the client, such as
    tritonclient.grpc; function is where the call stands, in words of the code."""

    kind: str
    method: str
    keywords: Mapping[str, str]
    line: int
    module: str
    function: str
    receiver: str
    in_coroutine: bool = False


@dataclass(frozen=True)
class ClientCode:
    file: str
    text: str
    calls: tuple[ClientCall, ...] = ()
    inferences: tuple[ClientInference, ...] = ()
    negative_ids: tuple[int, ...] = ()
    uses_shared_memory: int | None = None
