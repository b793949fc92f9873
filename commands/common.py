"""Folders, options and the voice that the commands share."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from loadtests.spec import Experiment
from servers.discovery import Contender, ContenderError, discover

ROOT = Path(__file__).parent.parent
EXPERIMENTS = ROOT / "loadtests" / "experiments"
RESULTS = ROOT / "results"
CACHE = ROOT / ".cache" / "artefacts"

SEED = int(Experiment.model_fields["seed"].default)
"""Of the commands that take no experiment."""

ModelOption = Annotated[
    str | None, typer.Option(help="small, base, a local model folder, or a model hub id.")
]
TextsOption = Annotated[
    Path | None,
    typer.Option(help="Your own traffic: .txt, one message a line, .jsonl, .json or .csv."),
]
ResultsOption = Annotated[
    Path, typer.Option(help="Where runs are kept.", show_default="results/ of the project")
]

# What services, files and folders are called is printed as it is: "[/]" is no markup there.
console = Console(markup=False, highlight=False, emoji=False)


def say(text: str) -> None:
    console.print(text, soft_wrap=True)


def contender_named(name: str) -> Contender:
    known = discover()
    if name not in known:
        raise ContenderError(
            f"expected a contender, found {name!r}: choose one of {', '.join(known)}."
        )
    return known[name]


def command_line() -> str:
    return " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])
