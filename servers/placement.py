"""Where an engine may run and how, and that it is unavailable there."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Any, get_args, get_type_hints

from pydantic import Field

from servers.engines import Device, Precision


class EngineUnavailableError(RuntimeError):
    """What was asked of an engine is unavailable here; the message is one sentence for the
    reader."""


@dataclass(frozen=True)
class Placement:
    """Where an engine runs and how; the defaults are those of the study on a CPU.

    Each field is an option of every contender that runs any engine (engines = "all" in its
    server.toml), and of `python -m servers.classifier measure`.
    """

    device: Annotated[Device, Field(description="cpu or cuda.")] = "cpu"
    precision: Annotated[Precision, Field(description="Precision asked for: fp32 or fp16.")] = (
        "fp32"
    )
    cuda_graphs: Annotated[bool, Field(description="True: launches are replayed as graphs.")] = (
        False
    )
    tensorrt: Annotated[bool, Field(description="True: through the TensorRT provider.")] = False

    def __str__(self) -> str:
        return ", ".join(
            _WORDS.get(name, name) if value is True else str(value)
            for name, value in asdict(self).items()
            if value is not False
        )


_WORDS = {"cuda_graphs": "CUDA graphs", "tensorrt": "TensorRT"}
CPU = Placement()
PLACEMENT_OPTIONS: Mapping[str, tuple[str | bool, ...]] = {
    name: get_args(kind) or (False, True) for name, kind in get_type_hints(Placement).items()
}
"""What each field of a placement may be."""


def placement_from(options: Mapping[str, Any]) -> Placement:
    """The placement that a contender's options ask for, other options aside;
    EngineUnavailableError on a value that no placement has."""
    given = {name: options[name] for name in PLACEMENT_OPTIONS if name in options}
    for name, value in given.items():
        if value not in PLACEMENT_OPTIONS[name]:
            words = " or ".join(json.dumps(allowed) for allowed in PLACEMENT_OPTIONS[name])
            raise EngineUnavailableError(
                f"expected {name} = {words}, found {json.dumps(value)}: correct the options of "
                "the contender."
            )
    return Placement(**given)
