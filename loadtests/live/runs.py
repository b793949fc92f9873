"""The runs that a session made: kept in a hidden folder of results/ until a person saves them."""

import os
from pathlib import Path

from loadtests.live.web import UiError

UNSAVED = ".unsaved"


def unsaved_folder(results: Path) -> Path:
    """Beside the runs, so that saving is one step, and nothing is lost with the session."""
    return results / UNSAVED


def saved(run: Path, results: Path) -> Path:
    """Moves a run among the others, whole or not at all; UiError where that cannot be."""
    target = results / run.name
    if target.exists():
        raise UiError(f"expected no run at {target} yet, found one: move it away and save again.")
    try:
        os.rename(run, target)
    except OSError as error:
        raise UiError(
            f"expected to move the run to {target}, found: {error.strerror}; it is still at {run}."
        ) from error
    return target


def unsaved_in_words(results: Path) -> str:
    """What earlier sessions left; empty: nothing."""
    left = sorted(unsaved_folder(results).glob("*/manifest.json"))
    if not left:
        return ""
    runs = "run" if len(left) == 1 else "runs"
    return f"{len(left)} unsaved {runs} of earlier sessions in {unsaved_folder(results)}"
