"""What a rule is, and what it finds."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from servers.triton_service.doctor.inspected import Inspected
from servers.triton_service.doctor.places import Place

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
"""error: it is refused, or callers get errors. warning: it is served worse than meant."""


@dataclass(frozen=True)
class Found:
    """A place where a rule is broken; fix is a unified diff, or empty where only a person can say
    what was meant."""

    place: Place
    message: str
    fix: str = ""


@dataclass(frozen=True)
class Rule:
    """why: how Triton works there. consequence: what a caller or operator notices. source: where
    that is known from."""

    id: str
    severity: Severity
    title: str
    why: str
    consequence: str
    source: str
    check: Callable[[Inspected], Iterable[Found]]


@dataclass(frozen=True)
class Finding:
    rule: Rule
    found: Found
