"""The study's command line: every command by its name, in the order in which help lists them."""

import io
import signal
import sys
from collections.abc import Callable, Mapping
from types import FrameType

import typer

from commands.bundle import bundle_up
from commands.check import check
from commands.children import let_children_find_this_project
from commands.coexist import coexist_models
from commands.errors import exits_with_a_sentence
from commands.report import list_all, report
from commands.run import capacity, run, smoke
from commands.serve import serve
from commands.tools import calibrate_clients, crosscheck_clients

COMMANDS: Mapping[str, Callable[..., None]] = {
    "run": run,
    "capacity": capacity,
    "smoke": smoke,
    "check": check,
    "serve": serve,
    "calibrate": calibrate_clients,
    "crosscheck": crosscheck_clients,
    "coexist": coexist_models,
    "report": report,
    "list": list_all,
    "bundle": bundle_up,
}

app = typer.Typer(
    help="Serve one text classifier from FastAPI, Triton or a gateway; which, when, at what cost?",
    no_args_is_help=True,
    add_completion=False,
)
for name, command in COMMANDS.items():
    app.command(name)(exits_with_a_sentence(command))


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main() -> None:
    let_children_find_this_project()
    signal.signal(signal.SIGTERM, _interrupt)
    # A name or a text that the terminal's encoding does not have is escaped: no traceback.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    app()


if __name__ == "__main__":
    main()
