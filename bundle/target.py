"""The machine that a bundle is for: its Python and the oldest glibc it may have."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from packaging.requirements import Requirement

from bundle.errors import BundleError

PYTHONS = ("3.11", "3.12", "3.13")


@dataclass(frozen=True)
class Target:
    """python as `3.12`; glibc_minor 35 stands for glibc 2.35."""

    python: str
    glibc_minor: int

    @property
    def platform(self) -> str:
        return f"manylinux_2_{self.glibc_minor}_x86_64"

    @property
    def pip_options(self) -> list[str]:
        """What makes pip choose wheels that run there: every older glibc is to be named."""
        older = (f"manylinux_2_{minor}_x86_64" for minor in range(self.glibc_minor, 4, -1))
        return [
            *("--only-binary", ":all:", "--implementation", "cp", "--python-version", self.python),
            *(f"--platform={name}" for name in (*older, "manylinux2014_x86_64", "linux_x86_64")),
        ]

    def asked(self, texts: Iterable[str]) -> list[Requirement]:
        """The requirements whose markers hold there (PEP 508), those of extras left out."""
        there = {"python_version": self.python, "python_full_version": f"{self.python}.0"}
        found = map(Requirement, texts)
        return [
            one for one in found if not one.marker or one.marker.evaluate({**there, "extra": ""})
        ]


def read_target(python: str, platform: str) -> Target:
    """BundleError for a Python or platform that the project has no wheels for."""
    if python not in PYTHONS:
        raise BundleError(f"expected --python to be one of {', '.join(PYTHONS)}, found {python!r}.")
    found = re.fullmatch(r"manylinux_2_(\d+)_x86_64", platform)
    if not found:
        raise BundleError(
            f"expected --platform manylinux_2_N_x86_64, N from the target's glibc (`ldd --version`"
            f" prints 2.N), found {platform!r}: give it in this form."
        )
    return Target(python, int(found[1]))
