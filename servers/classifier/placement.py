"""Which engines there are, where one may run and how, and that it cannot be had there."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

from servers.choices import Device as Device
from servers.choices import EngineName as EngineName
from servers.choices import Precision as Precision


class EngineUnavailableError(RuntimeError):
    """What was asked of an engine cannot be had here; the message is one sentence for the
    reader."""


@dataclass(frozen=True)
class Placement:
    """Where an engine runs and how; the defaults are those of the study on a CPU."""

    device: Device = "cpu"
    precision: Precision = "fp32"
    cuda_graphs: bool = False
    tensorrt: bool = False


CPU = Placement()
_ALLOWED: Mapping[str, tuple[object, ...]] = {
    "device": get_args(Device),
    "precision": get_args(Precision),
    "cuda_graphs": (False, True),
    "tensorrt": (False, True),
}


def placement_from(options: Mapping[str, Any]) -> Placement:
    """The placement that a contender's options ask for, other options aside;
    EngineUnavailableError on a value that no placement has."""
    given = {name: options[name] for name in _ALLOWED if name in options}
    for name, value in given.items():
        if value not in _ALLOWED[name]:
            words = " or ".join(json.dumps(allowed) for allowed in _ALLOWED[name])
            raise EngineUnavailableError(
                f"expected {name} = {words}, found {json.dumps(value)}: correct the options of "
                "the contender."
            )
    return Placement(**given)
