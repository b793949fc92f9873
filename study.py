"""The study's command line: every command by its name, in the order in which help lists them."""

# ruff: noqa: E402 - what is imported late takes seconds, in which Ctrl-C must be answered

import io
import os
import signal
import sys
from collections.abc import Callable, Mapping
from types import FrameType, TracebackType


def _say_stopped(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    if not issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    print("\nStopped.", file=sys.stderr, flush=True)
    os._exit(130)


sys.excepthook = _say_stopped  # for Ctrl-C while what follows is imported

import typer

from commands.agree import agree
from commands.bundle import bundle_up
from commands.check import check
from commands.claims import claims
from commands.colocate import colocate_models
from commands.common import let_children_find_this_project, temporary_files
from commands.doctor import doctor
from commands.errors import exits_with_a_sentence
from commands.metrics import metrics
from commands.models import generate_models
from commands.plan import plan
from commands.profile import profile
from commands.report import list_all, report
from commands.run import capacity, run, smoke
from commands.serve import serve
from commands.tools import calibrate_clients, crosscheck_clients
from commands.tune import tune
from commands.ui import ui

COMMANDS: Mapping[str, Callable[..., None]] = {
    "run": run,
    "capacity": capacity,
    "smoke": smoke,
    "check": check,
    "serve": serve,
    "ui": ui,
    "metrics": metrics,
    "profile": profile,
    "calibrate": calibrate_clients,
    "crosscheck": crosscheck_clients,
    "colocate": colocate_models,
    "report": report,
    "plan": plan,
    "agree": agree,
    "claims": claims,
    "doctor": doctor,
    "tune": tune,
    "models": generate_models,
    "list": list_all,
    "bundle": bundle_up,
}

app = typer.Typer(
    help="Measure which should serve a text classifier: FastAPI, Triton, or a gateway before it.",
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
    try:
        with temporary_files():
            app()
    except KeyboardInterrupt as error:
        _say_stopped(KeyboardInterrupt, error, None)


if __name__ == "__main__":
    main()
