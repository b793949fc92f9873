"""What stops a run from outside, and what a person can do about it."""

import errno
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from shlex import quote

from loadtests.records.stored import RecordError
from loadtests.wire.client_limits import REMEDIES, exhausted

DISK_ERRORS = (
    *(errno.ENOSPC, errno.EDQUOT, errno.EROFS),
    *(errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EISDIR),
    *(errno.EEXIST, errno.ELOOP, errno.ENAMETOOLONG),
)


def found_and_remedy(error: OSError, folder: Path | None = None) -> tuple[str, str] | None:
    """What was found and what to do about it; None: it is a fault of the study. Files in folder are
    not named one by one."""
    number = exhausted(error)
    if number is not None:
        return f"this machine has no more of something ({error.strerror})", REMEDIES[number]
    if error.errno not in DISK_ERRORS:
        return None
    place = Path(str(error.filename2 or error.filename or folder or "the disk"))
    if folder is not None and place.is_relative_to(folder):
        place = folder
    found = f"expected to write to {place}, found: {os.strerror(error.errno)}"
    return found, "make room there or name another folder"


def says_how_to_resume(folder: Path) -> AbstractContextManager[None]:
    """A block in which a run is measured: whatever stops it says how to go on."""
    return says_how_to_go_on(folder, "Finished trials are kept", "study run --resume")


def says_how_to_report(folder: Path) -> AbstractContextManager[None]:
    """A block in which the report of a measured run is written."""
    return says_how_to_go_on(folder, "Every trial is kept", "study report")


@contextmanager
def says_how_to_go_on(folder: Path, kept: str, command: str) -> Iterator[None]:
    """A block that fills a folder: whatever stops it names what is kept, and the command, which
    takes the folder, that goes on."""
    go_on = f"{command} {quote(str(folder))}"
    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"{kept}: {go_on}") from None
    except OSError as error:
        known = found_and_remedy(error, folder)
        if known is None:
            raise
        found, remedy = known
        raise RecordError(
            f"{found}; {kept.lower()}: {remedy}, then continue with {go_on}"
        ) from error
