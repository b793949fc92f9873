"""What the target has already: the output of its `pip freeze`."""

import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from bundle.errors import BundleError

Host = Mapping[str, Version | None]
"""Versions by canonical name; None where pip freeze names a place instead of a version."""

_EDITABLE_COMMENT = re.compile(r"# Editable .*\((?P<requirement>[^()]+==[^()]+)\)$")
_EGG = re.compile(r"#egg=(?P<name>[A-Za-z0-9._-]+)")


def read_freeze(path: Path) -> Host:
    """BundleError when path cannot be read, or names the line that pip freeze would not write."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise BundleError(
            f"expected the target's `pip freeze` in {path}, found no readable text ({why}): "
            "run `python -m pip freeze > FILE` there."
        ) from None
    host: dict[str, Version | None] = {}
    for number, line in enumerate(map(str.strip, lines), 1):
        try:
            host |= _package(line)
        except (InvalidRequirement, InvalidVersion, ValueError):
            raise BundleError(
                f"expected a line as pip freeze writes it (numpy==2.3.4) in line {number} of "
                f"{path}, found {line!r}: run `python -m pip freeze > FILE` on the target."
            ) from None
    # Both put the same package onnxruntime into place.
    if "onnxruntime-gpu" in host:
        host.setdefault("onnxruntime", host["onnxruntime-gpu"])
    return host


def _package(line: str) -> dict[str, Version | None]:
    """The package of one line, empty for a line that names none."""
    editable = _EDITABLE_COMMENT.match(line)
    if editable:
        return _package(editable["requirement"])
    if line.startswith("-e "):
        egg = _EGG.search(line)
        return {canonicalize_name(egg["name"]): None} if egg else {}
    if not line or line.startswith("#"):
        return {}
    requirement = Requirement(line)
    name = canonicalize_name(requirement.name)
    if requirement.url:
        return {name: _version_in(requirement.url)}
    pin = re.fullmatch(r"===?(?P<version>[^,*]+)", str(requirement.specifier))
    if not pin:
        raise ValueError(line)
    return {name: Version(pin["version"])}


def _version_in(url: str) -> Version | None:
    try:
        return parse_wheel_filename(unquote(urlsplit(url).path.rpartition("/")[2]))[1]
    except InvalidWheelFilename:
        return None
