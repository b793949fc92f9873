"""Temporary files of this process and all that it starts: in one folder, which ends with it.

A process that is killed removes nothing. What dead ones left is removed when the next one starts.
"""

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from loadtests.host.locks import held

PREFIX = "study-"
OWNER_FILE = ".owner"
"""Locked for as long as the owner of its folder lives."""

OWN_SETTINGS = ("MPLCONFIGDIR", "IPYTHONDIR")
"""Folders that matplotlib and IPython have in the user's home. Where it cannot be written they make
some elsewhere, say so at length, and matplotlib removes its own when this one has gone."""

TRITON_FOLDER = Path("/tmp")
TRITON_PATTERN = "python_env_??????"
"""Of the empty folder that Triton's Python backend makes for each server, wherever TMPDIR is."""


@contextmanager
def temporary_files() -> Iterator[None]:
    parent = Path(tempfile.gettempdir())
    remove_left_behind(parent)
    remove_of_triton(TRITON_FOLDER)
    before = tempfile.tempdir, dict(os.environ)
    with tempfile.TemporaryDirectory(prefix=PREFIX, ignore_cleanup_errors=True) as name:
        owner = _owned(Path(name))
        tempfile.tempdir = os.environ["TMPDIR"] = name
        if not os.access(os.path.expanduser("~"), os.W_OK | os.X_OK):
            os.environ.update({each: os.environ.get(each, name) for each in OWN_SETTINGS})
        try:
            yield
        finally:
            tempfile.tempdir = before[0]
            for each in ("TMPDIR", *OWN_SETTINGS):
                os.environ.pop(each, None)
                if each in before[1]:
                    os.environ[each] = before[1][each]
            os.close(owner)


def remove_left_behind(parent: Path) -> None:
    """Removes the folders of owners of this user that live no more. A link is never followed."""
    for folder in parent.glob(f"{PREFIX}*"):
        with suppress(OSError):
            if _is_own_folder(folder):
                _remove_if_dead(folder)


def remove_of_triton(parent: Path) -> None:
    """Triton's empty folders of this user, once no Triton of this user runs."""
    found = [folder for folder in parent.glob(TRITON_PATTERN) if _is_own_folder(folder)]
    if not found or _triton_runs():
        return
    for folder in found:
        with suppress(OSError):  # it is not empty: something lives there
            folder.rmdir()


def _owned(folder: Path) -> int:
    """The open file that says that folder has a living owner."""
    # Locked before it has its name: nobody may find it free.
    unnamed = folder / f"{OWNER_FILE}.new"
    owner = os.open(unnamed, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with suppress(OSError):  # a file system without locks: then nothing is ever removed there
        held(owner)
        unnamed.rename(folder / OWNER_FILE)
    return owner


def _remove_if_dead(folder: Path) -> None:
    owner = os.open(folder / OWNER_FILE, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if stat.S_ISREG(os.fstat(owner).st_mode) and held(owner):
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(owner)


def _is_own_folder(folder: Path) -> bool:
    try:
        found = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()


def _triton_runs() -> bool:
    import psutil  # every command would wait for it

    processes = psutil.process_iter(["name", "uids"])
    return any(
        process.info["name"] == "tritonserver" and process.info["uids"].real == os.getuid()
        for process in processes
        if process.info["uids"] is not None
    )
