"""Stops the processes of a server for a while without ending them."""

import os
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

_HOLD = 'kill -STOP "$@" && echo paused; read -r _; kill -CONT "$@"'


@contextmanager
def paused(pids: Iterable[int]) -> Iterator[None]:
    """These processes get no CPU time in this block. Those that have ended are left out."""
    # A shell holds the pause, and lets go when its input ends, which it does however this program
    # ends: a paused process would wait for ever with the signal that tells it to stop.
    command = ["sh", "-c", _HOLD, "sh", *(str(pid) for pid in pids if _is_there(pid))]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        yield


def _is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True
