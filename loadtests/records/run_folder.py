"""What is changed in the folder of a run beside its trials."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from loadtests.records.atomic import new_folder, remove_unfinished_files, replacing
from loadtests.records.trials import RecordError, read_json, read_trials, write_json


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
    _own_trials(run_dir)
    for folder, trial in read_trials(run_dir).items():
        if trial.status == "failed":
            _remove(folder)
            if trial.purpose == "search":  # it goes on, and may find other rates to repeat
                update_json(run_dir / "manifest.json", candidate_rates=None)


def remove_unfinished(run_dir: Path) -> None:
    """What a killed run left half-written: hidden names, which no reader looks at."""
    remove_unfinished_files(run_dir)
    for leftover in _own_trials(run_dir).glob(".*"):
        _remove(leftover)


def _own_trials(run_dir: Path) -> Path:
    """The folder of the trials; RecordError where it is a link: what is removed behind it would be
    somebody else's."""
    trials = run_dir / "trials"
    if trials.is_symlink() or (trials.exists() and not trials.is_dir()):
        raise RecordError(
            f"expected a folder of this run at {trials}, found a link or a file: put the folder "
            "itself there, or start a new run."
        )
    return trials


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def update_json(path: Path, **changes: Any) -> None:
    changed = read_json(path) | changes
    with replacing(path) as unfinished:
        write_json(unfinished, changed)
