"""Folders cached under a digest of what made them: complete, or not there."""

import errno
import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from servers.classifier.errors import ClassifierError
from servers.classifier.progress import say
from servers.storable import storable_json
from servers.surroundings import writable_cache

_UNFINISHED = ".unfinished-"
_UNWRITABLE = (
    *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT),
    *(errno.ENOTDIR, errno.EEXIST),
)


def digest_of(ingredients: Mapping[str, Any]) -> str:
    """Sixteen hexadecimal digits that change with any ingredient."""
    canonical = storable_json(ingredients, sort_keys=True)
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def digest_of_files(paths: Iterable[Path]) -> str:
    """Changes with the name or content of any file."""
    digests = {}
    for path in paths:
        with path.open("rb") as stream:
            digests[path.name] = hashlib.file_digest(stream, "sha256").hexdigest()
    return digest_of(digests)


def versions_of(*distributions: str) -> dict[str, str]:
    return {name: version(name) for name in distributions}


def cached_folder(cache: Path, name: str, make: Callable[[Path], None]) -> Path:
    """cache/name, which `make` fills when it does not exist yet, in the user's own cache where
    this one cannot be written.

    An interrupted make leaves no cache/name, and a second process waits for the first.
    ClassifierError where cache cannot be written.
    """
    folder = cache / name
    if folder.exists():
        return folder
    if writable_cache(cache) != cache:
        say(f"{cache} cannot be written: {writable_cache(cache)} is used")
        cache = writable_cache(cache)
        folder = cache / name
        if folder.exists():
            return folder
    with _writable(cache):
        cache.mkdir(parents=True, exist_ok=True)
    with _writable(cache), _locked(cache):
        if folder.exists():
            return folder
        for abandoned in cache.glob(f"{_UNFINISHED}*"):  # by a process that was killed
            shutil.rmtree(abandoned)
        unfinished = cache / f"{_UNFINISHED}{name}"
        unfinished.mkdir()
        try:
            make(unfinished)
            unfinished.rename(folder)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    return folder


@contextmanager
def _writable(cache: Path) -> Iterator[None]:
    """Says in a sentence that nothing can be written there."""
    try:
        yield
    except OSError as error:
        where = Path(str(error.filename or cache))
        of_the_cache = where == cache or cache in where.parents or where in cache.parents
        if error.errno not in _UNWRITABLE or not of_the_cache:
            raise
        raise ClassifierError(
            f"expected to write to the cache {cache}, found: {error.strerror}; let this user write "
            "there, and make room, or run from a copy of the project that this user owns."
        ) from error


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One process at a time. The lock is on the folder itself: no lock file is left behind, and
    the kernel releases it when its owner dies."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another build in {folder}")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
