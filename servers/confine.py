"""`python -m servers.confine --cpus 0,1 -- COMMAND ...`: run COMMAND on the given cores only.

The command replaces this process, and is told to stop (SIGTERM) when its parent dies, so that a
killed study leaves nothing running. Linux only for both effects; elsewhere the command just runs.
"""

import contextlib
import ctypes
import os
import resource
import signal
import sys
from collections.abc import Collection, Sequence

MOST_OPEN_FILES = 2**20

_PR_SET_PDEATHSIG = 1


def confined(argv: Sequence[str], cpus: Collection[int]) -> list[str]:
    """The command line that runs argv on cpus (empty: wherever the parent may run)."""
    cpu_list = ",".join(str(cpu) for cpu in sorted(cpus))
    return [sys.executable, "-m", "servers.confine", "--cpus", cpu_list, "--", *argv]


def raise_open_files() -> None:
    """Lets this process and its children open as many files as they may: a shell's 256 or 1,024
    are for programs that know no better."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_OPEN_FILES)
    with contextlib.suppress(OSError, ValueError):  # what the system refuses stays as it was
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def end_with_parent(parent: int, how: int = signal.SIGTERM) -> None:
    """Has this process sent the signal when parent, which started it, dies. Linux only."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, how)
        if os.getppid() != parent:  # it died before the line above could be told of it
            sys.exit(1)


def main(argv: Sequence[str]) -> None:
    flag, cpu_list, separator, *command = argv
    if flag != "--cpus" or separator != "--" or not command:
        sys.exit(__doc__)
    parent = os.getppid()
    if sys.platform == "linux" and cpu_list:
        os.sched_setaffinity(0, {int(cpu) for cpu in cpu_list.split(",")})
    raise_open_files()
    end_with_parent(parent)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
