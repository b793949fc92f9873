"""Whether a Triton serves, as opposed to whether it says so."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Health:
    """live and ready are what Triton's health page says. Before 26.04 it says so too of a Python
    model whose process is dead; problems holds for each model why its canary, a small inference,
    has no answer, "" where it has one."""

    live: bool
    ready: bool
    problems: Mapping[str, str]

    @property
    def serves(self) -> bool:
        return self.live and self.ready and not any(self.problems.values())
