"""External contenders: services that already run somewhere, measured and never started or stopped.

An experiment names one in an `[[external]]` table and lists it in `contenders` like any other.
"""

import ipaddress
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from loadtests.records.strict import Strict
from loadtests.wire.address import Address
from loadtests.wire.formats import TEXT_PLACE, InferWire, JsonWire, Wire, kserve_json
from servers.discovery import Components, Contender

_PROBE_TEXT = 'a "quoted" \\ line\nand 中文 🙂'
_HEADER_NAME = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]+")  # RFC 9110, section 5.6.2
_CLIENTS_OWN_HEADERS = {
    *("connection", "content-length", "content-type", "host", "te", "transfer-encoding"),
}

NonEmpty = Annotated[str, Field(min_length=1)]


def _sendable(headers: Mapping[str, str]) -> Mapping[str, str]:
    lower = {name.lower(): value for name, value in headers.items()}
    for name, value in lower.items():
        if name in _CLIENTS_OWN_HEADERS or not _HEADER_NAME.fullmatch(name):
            raise ValueError(
                f"expected the name of a header that the client does not set itself, found {name!r}"
            )
        if not value.isascii() or not value.isprintable():
            raise ValueError(f"expected one line of printable ASCII in header {name!r}")
    return lower


Headers = Annotated[Mapping[str, str], AfterValidator(_sendable)]
"""What is sent with each request beside what the client sets itself."""


@dataclass(frozen=True, kw_only=True)
class ExternalContender(Contender):
    """A service that runs already. compare False: it serves another model, so that its answers are
    only compared with its own."""

    address: Address
    compare: bool


class _Service(Strict):
    """What every external contender declares.

    i_may_load_this repeats the host of url where that is not this machine, so that a typing error
    does not put a load on a stranger's service. components names them, as each server.toml does.
    A header's value "env:NAME" is that environment variable, and is never written anywhere.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=40)]
    url: str
    compare: bool
    components: Components
    batching: bool = False
    headers: Headers = {}
    i_may_load_this: str | None = None

    @field_validator("url")
    @classmethod
    def _is_a_plain_host_and_port(cls, url: str) -> str:
        host_and_port(url)
        return url

    @model_validator(mode="after")
    def _may_be_loaded(self) -> "_Service":
        host, _ = host_and_port(self.url)
        if not is_loopback(host) and self.i_may_load_this != host:
            raise ValueError(
                f"{self.name} is on {host}, another machine, and would be put under load: "
                f'expected i_may_load_this = "{host}" as your confirmation, '
                f"found {self.i_may_load_this!r}"
            )
        return self

    def wire(self) -> Wire:
        raise NotImplementedError

    def contender(self) -> ExternalContender:
        """The contender this table declares."""
        host, port = host_and_port(self.url)
        wire = self.wire()
        own_model = "" if self.compare else " It serves a model of its own: its labels may differ."
        return ExternalContender(
            name=self.name,
            server="external",
            protocol=wire.protocol,
            engine="external",
            setting="external",
            batching=self.batching,
            summary=f"A service that runs already, at {self.url}: not started by the study; the "
            f"CPU of its host and its counters are not measured.{own_model}",
            components=tuple(self.components),
            form="external",
            address=Address(wire.protocol, host, port, wire, self.name),
            compare=self.compare,
        )


class HttpJsonService(_Service):
    """A service that takes a text in some JSON by POST and answers with some JSON."""

    protocol: Literal["http-json"]
    path: Annotated[str, Field(pattern=r"^/[!-~]*$")]
    body: str
    label: NonEmpty
    confidence: NonEmpty | None = None

    @field_validator("body")
    @classmethod
    def _carries_the_text(cls, body: str) -> str:
        try:
            carried = json.loads(JsonWire(body=body).encode(_PROBE_TEXT))
        except ValueError:
            carried = None
        if _PROBE_TEXT not in _strings(carried):
            raise ValueError(f'expected JSON with "{TEXT_PLACE}" as one of its strings')
        return body

    def wire(self) -> JsonWire:
        return JsonWire(self.path, self.body, self.label, self.confidence, self.headers)


class KserveService(_Service):
    """A model behind the KServe v2 protocol (Triton and others), over HTTP in JSON or over gRPC.

    text_input, label and confidence are names of its tensors; shape is that of the one text,
    [1, 1] for a model with a batch dimension, [1] for one without.
    """

    protocol: Literal["kserve-http", "kserve-grpc"]
    model: NonEmpty
    text_input: NonEmpty
    shape: tuple[Literal[1], ...] = (1, 1)
    label: NonEmpty
    confidence: NonEmpty | None = None

    def wire(self) -> Wire:
        if self.protocol == "kserve-grpc":
            return InferWire(
                self.model, self.text_input, self.shape, self.label, self.confidence, self.headers
            )
        return kserve_json(
            self.model, self.text_input, self.shape, self.label, self.confidence, self.headers
        )


def _names_its_protocol(table: Any) -> Any:
    found = table.get("protocol") if isinstance(table, dict) else None
    if isinstance(table, dict) and found not in ("http-json", "kserve-http", "kserve-grpc"):
        raise ValueError(
            f"expected protocol to be http-json, kserve-http or kserve-grpc, found {found!r}"
        )
    return table


ExternalSpec = Annotated[
    HttpJsonService | KserveService,
    Field(discriminator="protocol"),
    BeforeValidator(_names_its_protocol),
]


def host_and_port(url: str) -> tuple[str, int]:
    """The two parts of `http://HOST:PORT` or `HOST:PORT`; ValueError for any other form."""
    if url.startswith("https://"):
        raise ValueError(
            "https:// is not supported: its encryption would be measured as the service's "
            "latency; name a port without TLS"
        )
    parts = urlsplit(url if "://" in url else f"http://{url}")
    plain = parts.scheme == "http" and parts.path in ("", "/") and not parts.query
    if not plain or not parts.hostname or not parts.port or "@" in url or ":" in parts.hostname:
        raise ValueError("expected http://HOST:PORT or HOST:PORT")
    return parts.hostname, parts.port


def external_among(contenders: Iterable[Contender]) -> list[ExternalContender]:
    """Those of contenders that run already."""
    return [contender for contender in contenders if isinstance(contender, ExternalContender)]


def describe_load(contender: ExternalContender, load: str) -> str:
    """What is about to be sent where, for the person who starts the run."""
    wire = contender.address.wire
    where = wire.path if isinstance(wire, JsonWire) else f" (model {wire.model})"
    return f"{contender.name}: this load goes to {contender.address.url}{where}: {load}"


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _strings(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for member in value.values() for text in _strings(member)]
    if isinstance(value, list):
        return [text for member in value for text in _strings(member)]
    return [value] if isinstance(value, str) else []
