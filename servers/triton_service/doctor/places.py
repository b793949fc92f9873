"""Where something stands, and the release of Triton that is meant."""

import re
from dataclasses import dataclass
from typing import NamedTuple


class Release(NamedTuple):
    """A monthly release of the container, such as 24.10."""

    year: int
    month: int

    def __str__(self) -> str:
        return f"{self.year:02}.{self.month:02}"

    @classmethod
    def parse(cls, text: str) -> "Release | None":
        found = re.match(r"(\d\d)\.(\d\d)(?!\d)", text)
        return cls(int(found[1]), int(found[2])) if found else None

    def months_before(self, other: "Release") -> int:
        return (other.year - self.year) * 12 + other.month - self.month


@dataclass(frozen=True)
class Place:
    """A line of a file; line 1 stands for the whole of what has no lines."""

    file: str
    line: int = 1
