"""Folders, options and the voice that the commands share.

What takes long to import is imported by the commands themselves: help is given without it.
"""

import math
import os
import shlex
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

from commands.errors import FolderError
from loadtests.host.temporary import temporary_files as temporary_files
from servers.surroundings import child_environment

if TYPE_CHECKING:
    from servers.discovery import Contender

ROOT = Path(__file__).parent.parent
EXPERIMENTS = ROOT / "loadtests" / "experiments"
RESULTS = ROOT / "results"
CACHE = ROOT / ".cache" / "artefacts"

MACHINE_LOCK_VARIABLE = "STUDY_MACHINE_LOCK"
"""Environment variable: a file to lock in place of the machine's, for studies that are meant to run
beside each other, on cores of their own."""

ModelOption = Annotated[
    str | None, typer.Option(help="Model to serve: small, base, a local folder, or a model hub id.")
]
TextsOption = Annotated[
    Path | None,
    typer.Option(
        help="File with your own texts: .txt (one a line), .jsonl, .ndjson, .json, .csv or .tsv."
    ),
]
ResultsOption = Annotated[
    Path,
    typer.Option(help="Folder in which runs are kept.", show_default="results/ of the project"),
]

# What services, files and folders are called is printed as it is: "[/]" is no markup there.
console = Console(markup=False, highlight=False, emoji=False)


def let_children_find_this_project() -> None:
    """Servers, load generators and the notebook's kernel start from wherever a person stands."""
    os.environ.update(child_environment(os.environ))


def say(text: str) -> None:
    console.print(text, soft_wrap=True)


@contextmanager
def status(text: str) -> Iterator[Callable[[str], None]]:
    """A line that shows what goes on; the function given changes it. Rich would take a plain string
    for markup here, whatever the console says."""
    with console.status(Text(text)) as shown:
        yield lambda changed: shown.update(Text(changed))


def writable(folder: Path) -> None:
    """FolderError where nothing can be written in the folder, or in what there is of its path:
    better now than after the measurement. Nothing is left there."""
    existing = next(each for each in (folder, *folder.absolute().parents) if each.exists())
    try:
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:
        raise FolderError(folder, error) from error


def machine_lock(until_s: float = math.inf) -> AbstractContextManager[None]:
    """Held by every command that measures, from when it has what it needs until its end; until_s
    bounds the wait for it."""
    from loadtests.host.locks import measuring

    return measuring(command_line(), say, _lock_path(), until_s)


def _lock_path() -> Path:
    from loadtests.host.locks import machine_lock_path

    given = os.environ.get(MACHINE_LOCK_VARIABLE)
    return Path(given) if given else machine_lock_path()


def ui_lock(url: str) -> AbstractContextManager[None]:
    """Held by `study ui`; LockError where one is up already."""
    from loadtests.host.locks import only_one

    path = _lock_path()
    return only_one(path.with_name(f"{path.name}.ui"), f"study ui at {url}")


def contender_named(name: str) -> "Contender":
    from servers.discovery import ContenderError, discover

    known = discover()
    if name not in known:
        raise ContenderError(
            f"expected a contender, found {name!r}: choose one of {', '.join(known)}."
        )
    return known[name]


def command_line() -> str:
    """As it can be copied into a shell."""
    return shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])
