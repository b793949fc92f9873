"""Where an engine may run and how, and that it is unavailable there."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import PurePath
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
    server.toml), and of `python -m servers.classifier measure`. With a curve the engine is replay,
    and the other fields say what it stands for: a server decides by them what it would on that
    device.
    """

    device: Annotated[Device, Field(description="cpu or cuda.")] = "cpu"
    precision: Annotated[Precision, Field(description="Precision asked for: fp32 or fp16.")] = (
        "fp32"
    )
    cuda_graphs: Annotated[bool, Field(description="True: launches are replayed as graphs.")] = (
        False
    )
    tensorrt: Annotated[bool, Field(description="True: through the TensorRT provider.")] = False
    curve: Annotated[
        str, Field(description="Curve of a simulated device; empty: a real engine.")
    ] = ""

    def __str__(self) -> str:
        if self.curve:
            return f"simulated {PurePath(self.curve).stem}"
        return ", ".join(
            _WORDS.get(name, name) if value is True else str(value)
            for name, value in asdict(self).items()
            if value
        )


_WORDS = {"cuda_graphs": "CUDA graphs", "tensorrt": "TensorRT"}
CPU = Placement()
PLACEMENT_OPTIONS: Mapping[str, tuple[str | bool, ...]] = {
    name: get_args(kind) or ((False, True) if kind is bool else ())
    for name, kind in get_type_hints(Placement).items()
}
"""What each field of a placement may be; empty: any text."""


def placement_from(options: Mapping[str, Any]) -> Placement:
    """The placement that a contender's options ask for, other options aside;
    EngineUnavailableError on a value that no placement has."""
    given = {name: options[name] for name in PLACEMENT_OPTIONS if name in options}
    for name, value in given.items():
        allowed = PLACEMENT_OPTIONS[name]
        if value not in allowed if allowed else not isinstance(value, str):
            words = " or ".join(json.dumps(each) for each in allowed) or "a text"
            raise EngineUnavailableError(
                f"expected {name} = {words}, found {json.dumps(value)}: correct the options of "
                "the contender."
            )
    return Placement(**given)
