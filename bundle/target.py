"""The machine that a bundle is for: its Python and the oldest glibc it may have."""

import re
from dataclasses import dataclass

from packaging.tags import Tag, compatible_tags, cpython_tags

from bundle.errors import BundleError

PYTHONS = ("3.11", "3.12", "3.13")
_LEGACY_PLATFORMS = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
"""Names that older wheels use for manylinux_2_17, 2_12 and 2_5 (PEP 600)."""


@dataclass(frozen=True)
class Target:
    """python as `3.12`; glibc_minor 35 stands for glibc 2.35."""

    python: str
    glibc_minor: int

    @property
    def platform(self) -> str:
        return f"manylinux_2_{self.glibc_minor}_x86_64"

    @property
    def platforms(self) -> list[str]:
        """The platform names of wheels that run there, the best first."""
        names = []
        for minor in range(self.glibc_minor, 4, -1):
            names.append(f"manylinux_2_{minor}_x86_64")
            if minor in _LEGACY_PLATFORMS:
                names.append(f"{_LEGACY_PLATFORMS[minor]}_x86_64")
        return [*names, "linux_x86_64"]

    @property
    def tags(self) -> list[Tag]:
        """The tags of wheels that run there, the best first."""
        version = tuple(map(int, self.python.split(".")))
        interpreter = f"cp{version[0]}{version[1]}"
        return [
            *cpython_tags(version, platforms=self.platforms),
            *compatible_tags(version, interpreter=interpreter, platforms=self.platforms),
        ]

    @property
    def markers(self) -> dict[str, str]:
        """The environment in which the markers of requirements are read (PEP 508)."""
        return {
            "implementation_name": "cpython",
            "implementation_version": f"{self.python}.0",
            "os_name": "posix",
            "platform_machine": "x86_64",
            "platform_python_implementation": "CPython",
            "platform_release": "",
            "platform_system": "Linux",
            "platform_version": "",
            "python_full_version": f"{self.python}.0",
            "python_version": self.python,
            "sys_platform": "linux",
        }


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
