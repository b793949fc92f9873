"""What the target has already: the output of its `pip freeze`."""

import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote

from packaging.utils import canonicalize_name
from packaging.version import Version

from bundle.errors import BundleError

Host = Mapping[str, Version | None]
"""Versions by canonical name; None where pip freeze names a place instead of a version."""

_NAME = r"(?P<name>[A-Za-z0-9._-]+)"
_FORMS = (
    re.compile(rf"(?:# Editable .*\()?{_NAME}===?(?P<version>[\w.!+-]+)\)?"),
    re.compile(rf"{_NAME} @ .*/[^/-]+-(?P<version>[\w.!+]+)-(?:[^/-]+-){{2,3}}[^/-]+\.whl.*"),
    re.compile(rf"{_NAME} @ .+"),
    re.compile(rf"-e .*#egg={_NAME}.*"),
)


def read_freeze(path: Path) -> Host:
    """BundleError when path cannot be read, or names the line that pip freeze would not write."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BundleError(
            f"expected the target's `pip freeze` in {path}, found no readable text ({error}): "
            "run `python -m pip freeze > FILE` there."
        ) from None
    host: dict[str, Version | None] = {}
    for number, line in enumerate(map(str.strip, lines), 1):
        try:
            host |= _package(line)
        except ValueError:
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
    for form in _FORMS:
        if found := form.fullmatch(unquote(line)):
            version = found.groupdict().get("version")
            return {canonicalize_name(found["name"]): Version(version) if version else None}
    if line and not line.startswith(("#", "-e ")):
        raise ValueError(line)
    return {}
