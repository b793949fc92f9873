"""Finds contenders: each folder of servers/ with a server.toml declares the ones it builds."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

Protocol = Literal["http-json", "kserve-grpc"]
EngineName = Literal["torch", "onnxruntime", "none", "external"]
Setting = Literal["as-published", "tuned", "calibration", "external"]
MainProcess = Literal["server", "gateway"]
OptionValue = str | int | float | bool

SERVERS_DIR = Path(__file__).parent


class ContenderError(ValueError):
    """A contender is unknown, or a server.toml cannot be read."""


@dataclass(frozen=True)
class Contender:
    """A server build plus its configuration: the system under test.

    server is the folder under servers/, started as `python -m servers.<server>`; extra_ports
    names the ports it opens beside its main one; moving_parts counts the processes and artefacts
    an operator must keep healthy, and breaks ties between contenders that are equally good.
    main_process says whether the process started is the server, or a gateway in front of one: the
    CPU time of a gateway is recorded on its own too.
    """

    name: str
    server: str
    protocol: Protocol
    engine: EngineName
    setting: Setting
    batching: bool
    summary: str
    moving_parts: int
    extra_ports: tuple[str, ...] = ()
    main_process: MainProcess = "server"
    options: Mapping[str, OptionValue] = field(default_factory=dict)

    def variant(self, name: str, options: Mapping[str, OptionValue]) -> "Contender":
        """The same server under another name with some options changed."""
        unknown = sorted(set(options) - set(self.options))
        if unknown:
            raise ContenderError(
                f"variant {name!r} sets {unknown[0]!r}, which {self.name!r} does not have; "
                f"its options are: {', '.join(sorted(self.options)) or 'none'}."
            )
        return replace(self, name=name, options={**self.options, **options})


class _Declaration(BaseModel):
    model_config = ConfigDict(extra="forbid")

    protocol: Protocol
    engine: EngineName
    setting: Setting
    batching: bool
    summary: str
    moving_parts: int
    extra_ports: list[str] = []
    main_process: MainProcess = "server"
    options: dict[str, OptionValue] = {}


class _ServerFile(BaseModel):
    model_config = ConfigDict(extra="forbid")

    contenders: dict[str, _Declaration]


def discover(servers_dir: Path = SERVERS_DIR) -> dict[str, Contender]:
    """Every contender by name, in the order of folder and file."""
    found: dict[str, Contender] = {}
    for path in sorted(servers_dir.glob("*/server.toml")):
        for contender in _read(path):
            if contender.name in found:
                raise ContenderError(f"{path}: the contender {contender.name!r} is declared twice.")
            found[contender.name] = contender
    return found


def _read(path: Path) -> list[Contender]:
    try:
        declared = _ServerFile.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, ValidationError) as error:
        raise ContenderError(f"{path}: {error}") from error
    return [
        Contender(
            name=name,
            server=path.parent.name,
            **{**entry.model_dump(), "extra_ports": tuple(entry.extra_ports)},
        )
        for name, entry in declared.contenders.items()
    ]
