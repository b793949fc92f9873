"""What is changed in the folder of a run beside its trials."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from loadtests.records import read_json, read_trials, write_json
from loadtests.result_folder import new_folder, remove_unfinished_files, replacing


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
    for folder, trial in read_trials(run_dir).items():
        if trial.status == "failed":
            shutil.rmtree(folder)
            if trial.purpose == "search":  # it goes on, and may find other rates to repeat
                update_json(run_dir / "manifest.json", own_rates=None)


def remove_unfinished(run_dir: Path) -> None:
    """What a killed run left half-written: hidden names, which no reader looks at."""
    remove_unfinished_files(run_dir)
    for leftover in (run_dir / "trials").glob(".*"):
        if leftover.is_dir() and not leftover.is_symlink():
            shutil.rmtree(leftover)
        else:
            leftover.unlink()


def update_json(path: Path, **changes: Any) -> None:
    changed = read_json(path) | changes
    with replacing(path) as unfinished:
        write_json(unfinished, changed)
