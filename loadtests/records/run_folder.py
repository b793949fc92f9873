"""What is changed in the folder of a run beside its trials."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from loadtests.records.atomic import new_folder, remove_unfinished_files, replacing
from loadtests.records.run_trials import (
    TRIALS,
    read_packed_trials,
    read_trials,
    trial_folder,
    write_packed_trials,
)
from loadtests.records.stored import RecordError
from loadtests.records.trials import read_json, write_json

LOGS = "logs"
REMOVED_TRIALS = ".trials"
"""What packing calls the folder of the trials once nobody needs it: it goes in one step."""


def begin_run(results: Path, manifest: Mapping[str, Any]) -> Path:
    """A new folder under results with the manifest of a run, whose name it has: its run_id, or the
    next one that nobody has."""
    folder = new_folder(results / manifest["run_id"])
    try:
        with replacing(folder / "manifest.json") as unfinished:
            write_json(unfinished, {**manifest, "run_id": folder.name})
    except OSError:
        folder.rmdir()
        raise
    return folder


def forget_failed(run_dir: Path) -> None:
    """Removes the trials that failed, so that a resumed run makes them again."""
    own_folder(run_dir, TRIALS)
    failed = {k: trial for k, trial in read_trials(run_dir).items() if trial.status == "failed"}
    for trial_id in failed:
        for path in (trial_folder(run_dir, trial_id), own_folder(run_dir, LOGS) / trial_id):
            if os.path.lexists(path):
                remove(path)
    packed = list(read_packed_trials(run_dir).values())
    kept = [trial for trial in packed if trial.status != "failed"]
    if kept != packed:
        write_packed_trials(run_dir, kept)


def remove_unfinished(run_dir: Path) -> None:
    """What a killed run left half-written: hidden names, which no reader looks at."""
    remove_unfinished_files(run_dir)
    for leftover in (*own_folder(run_dir, TRIALS).glob(".*"), run_dir / REMOVED_TRIALS):
        if os.path.lexists(leftover):
            remove(leftover)


def own_folder(run_dir: Path, name: str) -> Path:
    """A folder of the run; RecordError where it is a link: what is written or removed behind it
    would be somebody else's."""
    folder = run_dir / name
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise RecordError(
            f"expected a folder of this run at {folder}, found a link or a file: put the folder "
            "itself there, or start a new run."
        )
    return folder


def remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def update_json(path: Path, **changes: Any) -> None:
    changed = read_json(path) | changes
    with replacing(path) as unfinished:
        write_json(unfinished, changed)
