"""What a person can correct, said in one sentence with exit code 2 and never as a traceback."""

import errno
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps

import typer

from bundle.errors import BundleError
from loadtests.artefacts import ArtefactError
from loadtests.budget import BudgetError
from loadtests.client_limits import REMEDIES, exhausted
from loadtests.drive import DriveError
from loadtests.experiment_file import SpecError
from loadtests.launch import LaunchError
from loadtests.locks import LockError
from loadtests.outside_tools import ToolError
from loadtests.probe import ProbeError
from loadtests.records import RecordError
from loadtests.serve import ServeError
from servers.discovery import ContenderError

DISK_ERRORS = (
    *(errno.ENOSPC, errno.EDQUOT, errno.EROFS),
    *(errno.EACCES, errno.EPERM, errno.ENOTDIR),
)
EXPECTED = (
    SpecError,
    BudgetError,
    ContenderError,
    ArtefactError,
    RecordError,
    ServeError,
    LaunchError,
    DriveError,
    LockError,
    ToolError,
    ProbeError,
    BundleError,
)


def exits_with_a_sentence(command: Callable[..., None]) -> Callable[..., None]:
    """The command, whose expected errors and whose failure to write are said so."""

    @wraps(command)
    def wrapped(*args: object, **kwargs: object) -> None:
        try:
            command(*args, **kwargs)
        except EXPECTED as error:
            for line in getattr(error, "log_tail", ()):
                print(f"  | {line}", file=sys.stderr)
            print(f"study: {error}", file=sys.stderr)
            raise typer.Exit(2) from error
        except KeyboardInterrupt:
            print("\nStopped.", file=sys.stderr)
            raise typer.Exit(130) from None
        except OSError as error:
            number = exhausted(error)
            if number is not None:
                print(
                    f"study: this machine has no more of something ({error.strerror}): "
                    f"{REMEDIES[number]}.",
                    file=sys.stderr,
                )
                raise typer.Exit(2) from error
            if error.errno not in DISK_ERRORS:
                raise
            print(
                f"study: expected to write to {error.filename or 'the disk'}, found: "
                f"{error.strerror}; make room there or name another folder.",
                file=sys.stderr,
            )
            raise typer.Exit(2) from error

    return wrapped


@contextmanager
def stopped_without_a_trace() -> Iterator[None]:
    """For a command that writes at its end only: says so when it is stopped before."""
    try:
        yield
    except KeyboardInterrupt:
        print("\nStopped; nothing was written.", file=sys.stderr)
        raise typer.Exit(130) from None
