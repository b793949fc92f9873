"""A file or a folder of results that appears whole, or not at all."""

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path


def new_folder(folder: Path) -> Path:
    """A folder of that name, made here, or of the first of -2, -3, ... that nobody has."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    for name in _names(folder):
        try:
            name.mkdir()
        except FileExistsError:
            continue
        return name
    raise AssertionError("there is a further name")


@contextmanager
def whole_or_gone(folder: Path) -> Iterator[tuple[Path, Path]]:
    """A hidden folder that gets its name when the block ends well, and is removed otherwise; and
    that name, which is as new_folder says."""
    unfinished, folder = _reserved(folder)
    try:
        yield unfinished, folder
        unfinished.rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _reserved(folder: Path) -> tuple[Path, Path]:
    folder.parent.mkdir(parents=True, exist_ok=True)
    for name in _names(folder):
        unfinished = name.with_name(f".{name.name}")
        try:
            unfinished.mkdir()
        except FileExistsError:
            continue
        if not name.exists():  # nobody can take it while the hidden one is there
            return unfinished, name
        unfinished.rmdir()
    raise AssertionError("there is a further name")


def _names(folder: Path) -> Iterator[Path]:
    yield folder
    for number in count(2):
        yield folder.with_name(f"{folder.name}-{number}")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A new hidden file beside path that takes its place when the block ends well.

    Its name cannot be foreseen and it is created, never opened: a link that somebody planted in a
    results folder is not written through.
    """
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    unfinished.touch(exist_ok=False)
    try:
        yield unfinished
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
