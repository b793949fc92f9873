"""Wheels for the target, kept in a folder: what is there is not fetched again."""

import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.parser import BytesHeaderParser
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.tags import Tag
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import Version

from bundle.closure import Release
from bundle.errors import BundleError
from bundle.target import Target

_GENERATED_BY = re.compile(rb"ValidateProtobufRuntimeVersion\(\s*[\w.]+,\s*(\d+),\s*(\d+),\s*(\d+)")


@dataclass(frozen=True)
class WheelFolder:
    """Fetches with pip, which takes index and proxy from its own settings."""

    folder: Path
    target: Target
    pins: Mapping[str, SpecifierSet]

    def fetch(self, wanted: Mapping[str, SpecifierSet]) -> dict[str, Release]:
        """A release of each wanted package: the pinned version, or the newest in its range.

        BundleError names the package that has no wheel for the target.
        """
        specifiers = {name: self.pins.get(name, wanted[name]) for name in wanted}
        absent = [name for name in specifiers if not self._find(name, specifiers[name])]
        if absent:
            self._download([f"{name}{specifiers[name]}" for name in absent])
        found = {name: self._find(name, specifiers[name]) for name in specifiers}
        for name, wheel in found.items():
            if not wheel:
                raise self._no_wheel(f"{name}{specifiers[name]}", "none that pip would take")
        return {name: _read_release(name, wheel) for name, wheel in found.items() if wheel}

    def _find(self, name: str, specifier: SpecifierSet) -> Path | None:
        """The newest wheel in range that fits the target best."""
        ranks = {tag: -number for number, tag in enumerate(self.target.tags)}
        fitting = [
            (version, max(ranks[tag] for tag in tags & ranks.keys()), path)
            for path, version, tags in self._wheels(name)
            if specifier.contains(version, prereleases=True) and tags & ranks.keys()
        ]
        return max(fitting)[2] if fitting else None

    def _wheels(self, name: str) -> Iterator[tuple[Path, Version, frozenset[Tag]]]:
        for path in self.folder.glob("*.whl"):
            try:
                package, version, _, tags = parse_wheel_filename(path.name)
            except InvalidWheelFilename:
                continue
            if package == name:
                yield path, version, tags

    def _download(self, requirements: list[str]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        platforms = [part for name in self.target.platforms for part in ("--platform", name)]
        command = [
            *(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"),
            *("--only-binary", ":all:", "--disable-pip-version-check"),
            *("--implementation", "cp", "--python-version", self.target.python, *platforms),
            *("--dest", str(self.folder), *requirements),
        ]
        done = subprocess.run(
            command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
        )
        if done.returncode == 0:
            return
        missing = re.search(r"No matching distribution found for (\S+)", done.stderr)
        if missing:
            others = re.search(r"\(from versions: (.*)\)", done.stderr)
            none = not others or others[1] == "none"
            raise self._no_wheel(
                missing[1],
                "none that fits" if none else "only other versions",
            )
        said = done.stderr.strip().splitlines() or ["nothing"]
        raise BundleError(
            f"expected pip to fetch {len(requirements)} wheels, found {said[-1]!r}: "
            "correct this and start again; what was fetched is kept."
        )

    def _no_wheel(self, requirement: str, found: str) -> BundleError:
        return BundleError(
            f"expected a wheel of {requirement} for Python {self.target.python} on "
            f"{self.target.platform} in pip's package index, found {found}: check that pip reaches "
            "its index, choose another --python or --platform, or name the package in --have."
        )


def _read_release(name: str, wheel: Path) -> Release:
    version = parse_wheel_filename(wheel.name)[1]
    try:
        with zipfile.ZipFile(wheel) as archive:
            inside = next(one for one in archive.namelist() if one.endswith(".dist-info/METADATA"))
            metadata = BytesHeaderParser().parsebytes(archive.read(inside))
            generated = _protobuf_of(archive) if name != "protobuf" else []
    except (OSError, zipfile.BadZipFile, StopIteration):
        raise BundleError(
            f"expected a wheel in {wheel}, found a damaged file: delete it and start again."
        ) from None
    requires = tuple(Requirement(text) for text in metadata.get_all("Requires-Dist", []))
    return Release(canonicalize_name(name), version, (*requires, *generated), wheel)


def _protobuf_of(archive: zipfile.ZipFile) -> list[Requirement]:
    """What generated modules ask of protobuf at import: to be no older than what generated them.
    Requires-Dist may allow older ones."""
    modules = (archive.read(one) for one in archive.namelist() if one.endswith("_pb2.py"))
    found = [match.groups() for text in modules if (match := _GENERATED_BY.search(text))]
    newest = max((tuple(map(int, version)) for version in found), default=None)
    return [Requirement(f"protobuf>={'.'.join(map(str, newest))}")] if newest else []
