"""Which packages must travel. pip decides, in an environment that stands in for the target's.

There pip finds the target's version of Python and, by name and version, the target's packages: what
it would install is what the target lacks.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from bundle.errors import BundleError
from bundle.freeze import Host
from bundle.target import Target
from bundle.wanted import NOT_IMPORTED

HOST_DECIDES = frozenset({"numpy", "pandas", "pyarrow", "torch", "transformers"})
"""Used in whatever version the host has: other packages of the host are built against these."""

_PIP = "pip>=23.3"
"""The first that resolves for another platform without installing."""


@dataclass(frozen=True)
class Packages:
    """By canonical name: what is packed, and what the target has of what is needed."""

    packed: Mapping[str, Version]
    present: Host


@dataclass(frozen=True)
class StandIn:
    """pip for target, in folder; it takes index and proxy from its own settings."""

    folder: Path
    target: Target

    def make(self) -> None:
        _run(sys.executable, "-m", "venv", "--without-pip", str(self.folder))
        # pip reads markers with the version of the Python that runs it, whatever its options say.
        version = f"{self.target.python}.0"
        tell = "import platform; platform.python_version"
        lines = (
            f"{tell} = lambda: {version!r}",
            f"{tell}_tuple = lambda: {tuple(version.split('.'))}",
            # In ASCII: a .pth is read in the locale's encoding.
            f"import sys; sys.path.append({ascii(str(self.folder / 'host'))})",
        )
        site = next(self.folder.glob("lib/python3*/site-packages"))
        (site / "target.pth").write_text("\n".join(lines), encoding="utf-8")
        here = (sys.executable, "-m", "pip", "--python", str(self.folder))
        _run(*here, "install", "--quiet", _PIP)

    def resolve(
        self, requirements: Mapping[str, Requirement], pins: Mapping[str, Version], host: Host
    ) -> Packages:
        """Packed, at its pin, is what host lacks or has in a version that is refused. A package in
        which the host decides is never packed where the host has it."""
        asked = dict(requirements)
        triton = asked.pop(NOT_IMPORTED, None)
        # Generated modules refuse a protobuf older than what generated them; metadata may not.
        if "protobuf" in asked and "protobuf" in pins:
            asked["protobuf"] = Requirement(f"protobuf>={pins['protobuf']}")
        kept = {name: version or pins.get(name, Version("0")) for name, version in host.items()}
        decided = HOST_DECIDES & host.keys()
        while True:
            lacking = self._lacking([asked[name] for name in asked.keys() - decided], pins, kept)
            packed = {name: lacking[name][0] for name in sorted(lacking.keys() - decided)}
            needed = [*asked.values(), *(one for name in packed for one in lacking[name][1])]
            # pip freeze does not show which extras are there: such a package travels with them.
            extras = {canonicalize_name(one.name) for one in needed if one.extras}
            refused = (packed.keys() | extras) & kept.keys() - decided
            if not refused:
                break
            kept = {name: kept[name] for name in kept.keys() - refused}
        there = kept.get(NOT_IMPORTED)
        if triton and not (there and there in triton.specifier):
            packed[NOT_IMPORTED] = pins[NOT_IMPORTED]
        names = {canonicalize_name(one.name) for one in needed}
        return Packages(packed, {name: host[name] for name in sorted(names & kept.keys())})

    def download(self, packages: Mapping[str, Version], folder: Path) -> None:
        """Fetches the wheels of packages into folder."""
        wanted = (f"{name}=={version}" for name, version in packages.items())
        self._pip("download", "--no-deps", f"--dest={folder}", *wanted)

    def _lacking(
        self,
        requirements: Iterable[Requirement],
        pins: Mapping[str, Version],
        kept: Mapping[str, Version],
    ) -> dict[str, tuple[Version, list[Requirement]]]:
        """Version and requirements of what pip would install where the packages kept are."""
        shutil.rmtree(self.folder / "host", ignore_errors=True)
        for name, version in kept.items():
            info = self.folder / "host" / f"{name.replace('-', '_')}-{version}.dist-info"
            info.mkdir(parents=True)
            text = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
            (info / "METADATA").write_text(text, encoding="utf-8")
        report, constraints = self.folder / "report.json", self.folder / "constraints.txt"
        free = (f"{name}=={pins[name]}\n" for name in pins.keys() - kept.keys())
        constraints.write_text("".join(free), encoding="utf-8")
        options = ("--dry-run", f"--report={report}", f"--constraint={constraints}")
        self._pip("install", *options, *sorted(map(str, requirements)))
        found = [one["metadata"] for one in json.loads(report.read_bytes())["install"]]
        return {
            canonicalize_name(one["name"]): (
                Version(one["version"]),
                self.target.asked(one.get("requires_dist", [])),
            )
            for one in found
        }

    def _pip(self, command: str, *arguments: str) -> None:
        pip = (str(self.folder / "bin" / "python"), "-m", "pip", command, "--quiet")
        _run(*pip, *self.target.pip_options, *arguments)


def _run(*command: str) -> None:
    done = subprocess.run(
        command,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        stdin=subprocess.DEVNULL,
        check=False,
    )
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["nothing"]
        first = next((line for line in said if line.startswith("ERROR: ")), said[-1])
        raise BundleError(
            f"expected pip to find a wheel of every package, found {first!r}: check that pip "
            "reaches its index, choose another --python or --platform, or name the package in "
            "--have."
        )
