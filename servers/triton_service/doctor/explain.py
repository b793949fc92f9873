"""What a message means: Triton's own, and those that guides print in its place."""

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from servers.triton_service.doctor.errors import DoctorError


@dataclass(frozen=True)
class Explanation:
    """real: Triton says so; else instead is what it says. rules find the cause beforehand."""

    id: str
    patterns: tuple[str, ...]
    example: str
    cause: str
    remedy: str
    rules: tuple[str, ...]
    source: str
    real: bool = True
    instead: str = ""

    def matches(self, text: str) -> bool:
        return any(re.search(pattern, text, re.IGNORECASE | re.DOTALL) for pattern in self.patterns)


@cache
def explanations() -> tuple[Explanation, ...]:
    path = Path(__file__).with_suffix(".toml")
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    return tuple(
        Explanation(
            **{"id": name, **said, "patterns": tuple(said["patterns"])}
            | {"rules": tuple(said["rules"])}
        )
        for name, said in table.items()
    )


def explain(text: str) -> Explanation:
    """The first explanation whose message is in the text; DoctorError where there is none."""
    for explanation in explanations():
        if explanation.matches(text):
            return explanation
    raise DoctorError(
        f"expected a message of Triton that is known here, found {text.strip()[:120]!r}: run study "
        "doctor on the repository or on the server's URL."
    )
