"""Folders, options and the voice that the commands share."""

import os
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from loadtests.locks import machine_lock_path, measuring
from loadtests.spec import Experiment
from servers.discovery import Contender, ContenderError, discover

ROOT = Path(__file__).parent.parent
EXPERIMENTS = ROOT / "loadtests" / "experiments"
RESULTS = ROOT / "results"
CACHE = ROOT / ".cache" / "artefacts"

SEED = int(Experiment.model_fields["seed"].default)
"""Of the commands that take no experiment."""

MACHINE_LOCK_VARIABLE = "STUDY_MACHINE_LOCK"
"""Environment variable: a file to lock in place of the machine's, for studies that are meant to run
beside each other, on cores of their own."""

ModelOption = Annotated[
    str | None, typer.Option(help="small, base, a local model folder, or a model hub id.")
]
TextsOption = Annotated[
    Path | None, typer.Option(help="Your own traffic: a text file, one message a line, or JSONL.")
]
ResultsOption = Annotated[
    Path, typer.Option(help="Where runs are kept.", show_default="results/ of the project")
]

# What services, files and folders are called is printed as it is: "[/]" is no markup there.
console = Console(markup=False, highlight=False, emoji=False)


def say(text: str) -> None:
    console.print(text, soft_wrap=True)


def machine_lock() -> AbstractContextManager[None]:
    """Held by every command that measures, from when it has what it needs until its end."""
    given = os.environ.get(MACHINE_LOCK_VARIABLE)
    return measuring(command_line(), say, Path(given) if given else machine_lock_path())


def contender_named(name: str) -> Contender:
    known = discover()
    if name not in known:
        raise ContenderError(
            f"expected a contender, found {name!r}: choose one of {', '.join(known)}."
        )
    return known[name]


def command_line() -> str:
    return " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])
