"""Files that one process holds at a time: who measures on this machine, who writes into a run.

The kernel gives a lock back however its owner ends, so that none is ever stale. What the file says
is for people only: the owner's pid and what it does.
"""

import errno
import fcntl
import math
import os
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

POLL_S = 0.2
SHARED_FOLDERS = (Path("/run/lock"), Path("/tmp"))
RUN_LOCK = ".lock"

_STICKY_FOR_ALL = stat.S_ISVTX | stat.S_IWOTH
_READ_BYTES = 200


class LockError(RuntimeError):
    """What another process holds, or a file that cannot be locked."""


def machine_lock_path() -> Path:
    """One file for all users of this machine: in a folder where each may write, and where none may
    take away what belongs to another."""
    for folder in SHARED_FOLDERS:
        if folder.is_dir() and folder.stat().st_mode & _STICKY_FOR_ALL == _STICKY_FOR_ALL:
            return folder / "model-serving-study.lock"
    return Path(tempfile.gettempdir()) / "model-serving-study.lock"


@contextmanager
def measuring(
    what: str, say: Callable[[str], None], path: Path, until_s: float = math.inf
) -> Iterator[None]:
    """Held while this process measures; until then it waits for who does, and says for whom.

    LockError where that has not ended at until_s, on the clock of time.monotonic.
    """
    said = ""
    while isinstance(lock := _try_lock(path, what), str):
        if time.monotonic() >= until_s:
            raise LockError(
                f"expected to measure within the time budget, found {lock} still measuring at its "
                "end: wait until that has ended, or give more time."
            )
        if lock != said:
            said = lock
            say(f"Waiting for {lock}: two measurements at once would disturb each other.")
        time.sleep(POLL_S)
    with _released(lock):
        yield


@contextmanager
def only_one(path: Path, what: str) -> Iterator[None]:
    """Held by the one process that does what; LockError where another one does."""
    lock = _try_lock(path, what)
    if isinstance(lock, str):
        raise LockError(
            f"expected none on this machine yet, found {lock}: use that one, or stop it first."
        )
    with _released(lock):
        yield


@contextmanager
def writing(run_dir: Path, what: str) -> Iterator[None]:
    """Held while this process writes into a run; LockError where another one does."""
    path = run_dir / RUN_LOCK
    lock = _try_lock(path, what)
    if isinstance(lock, str):
        raise LockError(
            f"expected a run that nobody continues, found {run_dir} in use by {lock}: "
            "wait until that has ended, or stop it."
        )
    with _released(lock):
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def held(file: int) -> bool:
    """Takes the lock of an open file, until it is closed; False where another one has it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _try_lock(path: Path, what: str) -> int | str:
    """The open file of the lock that was taken, or who has it, in words."""
    try:
        while True:
            file = _open(path)
            try:
                if not held(file):
                    return _owner(os.pread(file, _READ_BYTES, 0))
                if _is_still(path, file):  # its last owner may just have removed it
                    os.truncate(file, 0)
                    os.write(file, f"{os.getpid()} {what}".encode(errors="backslashreplace"))
                    return os.dup(file)
            finally:
                os.close(file)
    except OSError as error:
        raise LockError(
            f"expected a file to lock at {path}, found: {error.strerror}; make its folder "
            "writable, with room in it, and remove what is there."
        ) from error


def _open(path: Path) -> int:
    # O_CREAT on a file of somebody else is refused in a sticky folder, and O_NONBLOCK keeps a
    # planted pipe from waiting for its reader.
    flags = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    while True:
        try:
            file = os.open(path, flags)
            break
        except FileNotFoundError:
            pass
        try:
            file = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o666)
        except FileExistsError:
            continue
        os.fchmod(file, 0o666)  # whatever the umask: the next one may be another user
        break
    found = os.fstat(file)
    if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
        os.close(file)
        raise OSError(errno.EINVAL, "a link, or no regular file")
    return file


def _is_still(path: Path, file: int) -> bool:
    try:
        return os.path.samestat(os.stat(path, follow_symlinks=False), os.fstat(file))
    except FileNotFoundError:
        return False


def _owner(content: bytes) -> str:
    """Who has a lock, by its file's content, which may be anybody's."""
    pid, _, what = content.decode(errors="replace").partition(" ")
    shown = "".join(c if c.isprintable() else "?" for c in what)
    return f"process {pid} ({shown})" if pid.isdigit() else "another process"


@contextmanager
def _released(file: int) -> Iterator[None]:
    try:
        yield
    finally:
        os.truncate(file, 0)
        os.close(file)
