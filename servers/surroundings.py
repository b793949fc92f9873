"""Where a person runs this project: how children find it, and where its caches can be written."""

import os
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]
_NAME = "model-serving-study"
_FOLDERS = ("STUDY_TRITON_SITE",)
"""Variables that name a folder: a server's working directory is another than the person's."""


def child_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """For children started as `python -m servers...` from anywhere: they find this project, also
    where it is not installed, and never take a module from the working directory."""
    given = filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))
    paths = [str(ROOT), *(str(Path(path).absolute()) for path in given)]
    found = os.pathsep.join(dict.fromkeys(paths))
    folders = {name: environment[name] for name in _FOLDERS if environment.get(name)}
    absolute = {name: str(Path(folder).absolute()) for name, folder in folders.items()}
    return {**environment, **absolute, "PYTHONPATH": found, "PYTHONSAFEPATH": "1"}


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
