"""Where a person runs this project: how children find it, and where its caches can be written."""

import os
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]
_NAME = "model-serving-study"


def child_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """For children started as `python -m servers...` from anywhere: they find this project, also
    where it is not installed, and never take a module from the working directory."""
    paths = [str(ROOT), *environment.get("PYTHONPATH", "").split(os.pathsep)]
    found = os.pathsep.join(dict.fromkeys(path for path in paths if path))
    return {**environment, "PYTHONPATH": found, "PYTHONSAFEPATH": "1"}


def writable_cache(folder: Path) -> Path:
    """folder, or where it cannot be written the user's own folder of the same name."""
    return folder if _can_write(folder) else own_cache(os.environ) / folder.name


def own_cache(environment: Mapping[str, str]) -> Path:
    """This project's folder among the user's caches, as the XDG base directories say."""
    given = Path(environment.get("XDG_CACHE_HOME", ""))
    return (given if given.is_absolute() else Path.home() / ".cache") / _NAME


def _can_write(folder: Path) -> bool:
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    # A file in the way is a mistake that the first write names, not a place to go round.
    return not existing.is_dir() or os.access(existing, os.W_OK | os.X_OK)
