"""What releases.toml says of Triton's releases."""

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from servers.triton_service.doctor.places import Release


@cache
def known() -> dict[str, Any]:
    path = Path(__file__).with_name("releases.toml")
    return tomllib.loads(path.read_text(encoding="utf-8"))


def release(text: str) -> Release:
    """One that the table names."""
    found = Release.parse(text)
    assert found is not None, text
    return found


def since(fact: str) -> Release:
    """The release from which on a fact of the table holds."""
    return release(known()["first_release"][fact])


def release_of_server(version: str) -> Release | None:
    """The container's release with this Triton, such as 24.10 for 2.51.0, where that is known."""
    named = known()["server_versions"].get(".".join(version.split(".")[:2]))
    return release(named) if named else None
