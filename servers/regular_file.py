"""Opens what somebody names as a file without waiting for it: a pipe or a device has no end."""

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO


def open_regular(path: Path, most_bytes: int) -> BinaryIO:
    """A regular file of at most most_bytes, for reading; else an OSError whose strerror says why.

    A link is followed to where it leads.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "it is no regular file", str(path))
        if status.st_size > most_bytes:
            found = f"it has {status.st_size:,} bytes, more than {most_bytes:,}"
            raise OSError(errno.EFBIG, found, str(path))
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_regular(path: Path, most_bytes: int) -> bytes:
    """The whole content of such a file."""
    with open_regular(path, most_bytes) as stream:
        return stream.read(most_bytes)  # one in /proc says that it is empty, and is not
