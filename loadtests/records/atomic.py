"""A file or a folder of results that appears whole, or not at all."""

import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

from loadtests.host.locks import held

_UNFINISHED_FILE = re.compile(r"\..+\.[0-9a-f]{16}")
_UNFINISHED_FOLDER = re.compile(r"\.(calibration|crosscheck|colocation)-\d{8}-\d{6}(-\d+)?")


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
    folder.parent.mkdir(parents=True, exist_ok=True)
    _remove_unfinished_folders(folder.parent)
    unfinished, folder = _reserved(folder)
    with _in_use(unfinished, os.O_RDONLY):
        try:
            yield unfinished, folder
            unfinished.rename(folder)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)


def _reserved(folder: Path) -> tuple[Path, Path]:
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
    with _in_use(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL):
        try:
            yield unfinished
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)


def on_disk(path: Path) -> None:
    """Returns once the file outlives a loss of power: what it replaces may then be removed."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def remove_unfinished_files(folder: Path) -> None:
    """What killed processes left of files that they were replacing."""
    for leftover in folder.glob(".*"):
        if _UNFINISHED_FILE.fullmatch(leftover.name) and leftover.is_file():
            _remove_if_unused(leftover)


def _remove_unfinished_folders(parent: Path) -> None:
    for leftover in parent.glob(".*"):
        if _UNFINISHED_FOLDER.fullmatch(leftover.name) and leftover.is_dir():
            _remove_if_unused(leftover)


def _remove_if_unused(leftover: Path) -> None:
    """Its owner, while it lived, had it locked. A link is not followed."""
    with suppress(OSError), _opened(leftover, os.O_RDONLY) as file:
        if not held(file):
            return
        if leftover.is_dir():
            shutil.rmtree(leftover, ignore_errors=True)
        else:
            leftover.unlink()


@contextmanager
def _in_use(path: Path, flags: int) -> Iterator[None]:
    with _opened(path, flags) as file:
        with suppress(OSError):  # a file system without locks: what is left there stays
            held(file)
        yield


@contextmanager
def _opened(path: Path, flags: int) -> Iterator[int]:
    file = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
    try:
        yield file
    finally:
        os.close(file)
