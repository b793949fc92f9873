"""Folders and names that Triton can work with, whatever the project's own are called.

A Python stub is started by a line of shell that does not quote its paths, in an interpreter whose
paths are ASCII under every locale; and PATH and LD_LIBRARY_PATH are split at colons.
"""

import hashlib
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PLAIN = re.compile(r"[A-Za-z0-9/_.+-]+")
_MAX_FOLDER_CHARS = 80
"""The name of a Unix socket has 107 bytes; its end is ours."""
_ELSEWHERE = ("/tmp", "/var/tmp", "/dev/shm")


class InstallationError(RuntimeError):
    """The Triton binary, or something it needs, is not on this machine."""


@contextmanager
def plain_folder(preferred: Path) -> Iterator[Path]:
    """preferred, or where Triton cannot work in it a new folder elsewhere, removed at the end."""
    preferred = preferred.absolute()
    if _usable(preferred):
        yield preferred
        return
    parents = [Path(tempfile.gettempdir()).absolute(), *map(Path, _ELSEWHERE)]
    for parent in filter(_usable, parents):
        with suppress(OSError):  # a full disk
            folder = tempfile.TemporaryDirectory(prefix="study-triton-", dir=parent)
            break
    else:
        raise InstallationError(
            f"expected a folder for Triton among {', '.join(map(str, parents))}, found none that "
            "is writable, lets programs run, and has a short name of plain characters: set TMPDIR "
            "to one."
        )
    with folder:
        yield Path(folder.name)


def plain_path(path: Path, links: Path) -> Path:
    """path itself, or a link to it in the folder links where its name is not plain."""
    if _PLAIN.fullmatch(str(path)):
        return path
    links.mkdir(parents=True, exist_ok=True)
    link = links / hashlib.sha256(os.fsencode(path)).hexdigest()[:16]
    if not link.is_symlink():
        link.symlink_to(path)
    return link


def _usable(folder: Path) -> bool:
    return (
        len(str(folder)) <= _MAX_FOLDER_CHARS
        and bool(_PLAIN.fullmatch(str(folder)))
        and os.access(folder, os.W_OK | os.X_OK)
        and not os.statvfs(folder).f_flag & os.ST_NOEXEC
    )
