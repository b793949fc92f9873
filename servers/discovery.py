"""Finds contenders: each folder of servers/ with a server.toml declares the ones it builds."""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from servers.device_curve import CurveError, curve_named, curve_names
from servers.engines import ENGINES, EngineKind, EngineName, engine_named
from servers.placement import CPU

Protocol = Literal["http-json", "kserve-grpc"]
WireName = Literal["kserve-json", "kserve-binary"]
ContenderEngine = Literal[EngineName, "none", "external"]
Setting = Literal["as-published", "tuned", "calibration", "external"]
MainProcess = Literal["server", "gateway"]
Form = Literal["embedded", "gateway", "external"]
OptionValue = str | int | float | bool

SERVERS_DIR = Path(__file__).parent

Components = Annotated[list[Annotated[str, Field(min_length=1)]], Field(min_length=1)]


class ContenderError(ValueError):
    """A contender is unknown, or a server.toml cannot be read."""


@dataclass(frozen=True)
class Contender:
    """A server build plus its configuration: the system under test.

    server is the folder under servers/, started as `python -m servers.<server>`; port is its main
    one where a person gives no other (0: it runs elsewhere), extra_ports names those it opens
    beside; components names the processes and artefacts an operator must keep healthy, and
    their number decides between contenders that meet the SLO. main_process says whether the
    process started is the server, or a gateway in front of one: the CPU time of a gateway is
    recorded on its own too. engines are those that a variant may choose. form says what the study
    starts: all of it (embedded), the gateway alone, or nothing (external). blocks_health: requests
    that wait for the model keep its own health endpoint from answering. protocol says which client
    of the load generator asks it, and so whose ceiling counts; wire, what that client sends where
    it is not what the contract says for the protocol, and headers what it adds to each request.
    simulated_device: the label of the curve that its engine replays; empty: the engine computes.
    """

    name: str
    server: str
    protocol: Protocol
    engine: ContenderEngine
    setting: Setting
    batching: bool
    summary: str
    components: tuple[str, ...]
    wire: WireName | None = None
    port: int = 0
    extra_ports: tuple[str, ...] = ()
    main_process: MainProcess = "server"
    engines: tuple[EngineName, ...] = ()
    options: Mapping[str, OptionValue] = field(default_factory=dict)
    form: Form = "embedded"
    blocks_health: bool = False
    simulated_device: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def user_class(self) -> str:
        """Its class in the Locust file: FastapiTuned for fastapi-tuned."""
        return "".join(part.capitalize() for part in self.name.split("-"))

    def variant(
        self,
        name: str,
        options: Mapping[str, OptionValue] = MappingProxyType({}),
        engine: ContenderEngine | None = None,
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> "Contender":
        """The same server with some options or its engine changed; its summary says which. headers:
        what its callers then have to send."""
        unknown = sorted(set(options) - set(self.options))
        if unknown:
            raise ContenderError(
                f"variant {name!r} sets {unknown[0]!r}, which {self.name!r} does not have; "
                f"its options are: {', '.join(sorted(self.options)) or 'none'}."
            )
        engine = engine or self.engine
        if engine not in (self.engine, *self.engines):
            raise ContenderError(
                f"variant {name!r} sets the engine {engine!r}, which {self.name!r} cannot run; "
                f"its engines are: {', '.join(dict.fromkeys((self.engine, *self.engines)))}."
            )
        all_options = {**self.options, **options}
        return replace(
            self,
            name=name,
            engine=engine,
            batching=self.batching and options.get("batcher") is not False,
            summary=self._summary_with(options, engine),
            components=self._components_with(engine),
            options=all_options,
            form="gateway" if options.get("triton_url") else self.form,
            simulated_device=_simulated_device(name, engine, all_options),
            headers={**self.headers, **headers},
        )

    def _components_with(self, engine: ContenderEngine) -> tuple[str, ...]:
        of_engines = {kind.component for kind in ENGINES.values()}
        others = tuple(part for part in self.components if part not in of_engines)
        kind = _kind(engine)
        return (*others, kind.component) if kind and kind.component else others

    def _summary_with(self, options: Mapping[str, OptionValue], engine: ContenderEngine) -> str:
        own, other = _kind(self.engine), _kind(engine)
        summary = self.summary.replace(own.words, other.words) if own and other else self.summary
        changed = [
            f"{option} = {json.dumps(value)}"
            for option, value in options.items()
            if value != self.options[option]
        ]
        if not changed:
            return summary
        # A variant of a variant: what it changes of what that one changed.
        joint = ", but " if " Here with " in summary else ". Here with "
        return f"{summary.removesuffix('.')}{joint}{', '.join(changed)}."


def _simulated_device(
    variant: str, engine: ContenderEngine, options: Mapping[str, OptionValue]
) -> str:
    """The label of the curve that is replayed; empty: none is."""
    kind, curve = _kind(engine), str(options.get("curve", ""))
    simulated = bool(kind and kind.simulated)
    if simulated and not curve:
        raise ContenderError(
            f"variant {variant!r} sets the engine {engine!r} without a curve; set the option "
            f"curve to one of {', '.join(curve_names())}, or to the path of a file."
        )
    if curve and not simulated:
        raise ContenderError(
            f"variant {variant!r} sets curve = {curve!r} for the engine {engine!r}, which "
            "computes; set the engine to 'replay', or leave the curve out."
        )
    try:
        return curve_named(curve).label if simulated else ""
    except CurveError as error:
        raise ContenderError(f"variant {variant!r}: {error}") from error


def _kind(engine: ContenderEngine) -> EngineKind | None:
    name = engine_named(engine)
    return ENGINES[name] if name else None


class _Declaration(BaseModel):
    model_config = ConfigDict(extra="forbid")

    protocol: Protocol
    wire: WireName | None = None
    port: Annotated[int, Field(ge=1, le=65_535)]
    engine: ContenderEngine
    setting: Setting
    batching: bool
    summary: str
    components: Components
    extra_ports: list[str] = []
    main_process: MainProcess = "server"
    blocks_health: bool = False
    engines: Literal["all"] | list[EngineName] = []
    options: dict[str, OptionValue] = {}


class _ServerFile(BaseModel):
    model_config = ConfigDict(extra="forbid")

    contenders: dict[str, _Declaration]

    @field_validator("contenders", mode="before")
    @classmethod
    def _with_what_their_bases_say(cls, declared: Any) -> Any:
        """A table with a base says only in what it differs from that other table of the file."""
        if not isinstance(declared, dict):
            return declared
        return {name: _based(entry, declared) for name, entry in declared.items()}


def _based(entry: Any, declared: Mapping[str, Any]) -> Any:
    if not isinstance(entry, dict) or "base" not in entry:
        return entry
    base = declared.get(entry["base"])
    if not isinstance(base, dict) or "base" in base:
        raise ValueError(
            f"base = {entry['base']!r}: expected a table of this file that has no base itself."
        )
    own = {key: value for key, value in entry.items() if key != "base"}
    return base | own | {"options": base.get("options", {}) | entry.get("options", {})}


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
            **{
                **entry.model_dump(),
                "components": tuple(entry.components),
                "extra_ports": tuple(entry.extra_ports),
                "engines": tuple(ENGINES if entry.engines == "all" else entry.engines),
                # What runs any engine runs it wherever an engine may be placed.
                "options": entry.options | (asdict(CPU) if entry.engines == "all" else {}),
            },
        )
        for name, entry in declared.contenders.items()
    ]
