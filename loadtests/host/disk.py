"""Whether something failed for want of room on a disk, and not by its own fault."""

import errno
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

ROOM_BYTES = 65_536
"""What must still fit beside what has failed, for the disk not to be the cause."""

FULL = (errno.ENOSPC, errno.EDQUOT)


def require_room(folder: Path, said: Iterable[str] = ()) -> None:
    """Raises a full disk's OSError where folder has no room, or where a process says in its lines
    that it found none.

    A load generator that cannot write its rows, and a server that cannot write its files, look as
    if they had failed.
    """
    _fill(folder)
    lines = "\n".join(said)
    for number in FULL:
        if os.strerror(number) in lines:
            _fill(Path(tempfile.gettempdir()))  # where servers keep their files
            raise OSError(number, os.strerror(number), str(folder))


def _fill(folder: Path) -> None:
    try:
        with tempfile.TemporaryFile(dir=folder, buffering=0) as probe:
            written = 0
            while written < ROOM_BYTES:
                written += probe.write(b"\0" * (ROOM_BYTES - written))
    except OSError as error:
        raise OSError(error.errno, os.strerror(error.errno or 0), str(folder)) from error
