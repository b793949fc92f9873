"""What a session of `study ui` is asked to be, and what the page says of it."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loadtests.host.cores import disjoint
from loadtests.live.web import WebOptions
from loadtests.plan.live_choices import ARRIVALS, LENGTHS, LOADS
from servers.discovery import Contender

Table = Callable[[Path], Mapping[str, Any] | None]


@dataclass(frozen=True)
class UiOptions:
    """contenders in the order of the page; the first is the reference. texts: files by what the
    page calls them; None: the study's own. table: the study's table of a run, for JSON. folder: of
    the session, which ends with it."""

    contenders: Mapping[str, Contender]
    web: WebOptions
    results: Path
    command: str
    model: str
    texts: Mapping[str, str | None]
    seed: int
    folder: Path
    table: Table
    alone: Callable[[float], AbstractContextManager[None]]


def user_classes(options: UiOptions) -> dict[str, str]:
    """What Locust calls each contender."""
    return {name: in_words(each) for name, each in options.contenders.items()}


def about_session(options: UiOptions, cores: Mapping[str, tuple[int, ...]]) -> dict[str, Any]:
    """What the page says of a session, and the choices that it offers."""
    server, load = (", ".join(map(str, cores[side])) for side in ("server", "load"))
    shared = "" if disjoint(cores) else ": one core for both, so that they disturb each other"
    return {
        "cores": f"Contenders run on core {server}, the load generator on core {load}{shared}.",
        "texts": list(options.texts),
        "arrivals": list(ARRIVALS),
        "lengths": list(LENGTHS),
        "loads": list(LOADS),
        "user_classes": user_classes(options),
    }


def in_words(contender: Contender) -> str:
    """The name of its user class: what it is beside its name."""
    protocol = "HTTP/JSON" if contender.protocol == "http-json" else "gRPC"
    return f"{contender.name}: {protocol}, {contender.engine}, {contender.setting}"
