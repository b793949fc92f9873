"""A file or a folder of results that appears whole, or not at all."""

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_or_gone(folder: Path) -> Iterator[Path]:
    """A hidden folder that gets its name when the block ends well, and is removed otherwise."""
    unfinished = folder.with_name(f".{folder.name}")
    unfinished.mkdir(parents=True)
    try:
        yield unfinished
        unfinished.rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


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
