"""The files that an experiment names, kept in the folder of its run, so that it can be resumed from
anywhere, after it was moved, and when they are gone."""

import shutil
from collections.abc import Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from loadtests.records.arrivals import Trace
from loadtests.records.atomic import replacing
from loadtests.records.stored import RecordError
from loadtests.spec.experiment import Experiment

INPUTS = "inputs"


def keep_inputs(experiment: Experiment, folder: Path) -> None:
    """Copies them under their own names, where that was not done yet."""
    for kind, file in _named(experiment):
        kept = folder / INPUTS / kind / file.name
        if kept.exists():
            continue
        try:
            kept.parent.mkdir(parents=True, exist_ok=True)
            with replacing(kept) as unfinished:  # a part of it would pass for the whole later
                shutil.copyfile(file, unfinished)
        except FileNotFoundError as error:
            raise RecordError(
                f"expected the {kind} of the experiment at {file}, found none any more: leave it "
                "there until the run has begun."
            ) from error


def with_kept_inputs(experiment: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """An experiment of a manifest with the copies in the run's folder in place of the files."""
    changed = deepcopy(dict(experiment))
    load = changed.get("load")
    arrivals = load.get("arrivals") if isinstance(load, dict) else None
    for kind, table, key in (("texts", changed, "texts"), ("trace", arrivals, "file")):
        if isinstance(table, dict) and isinstance(table.get(key), str):
            kept = folder.absolute() / INPUTS / kind / Path(table[key]).name
            if kept.is_file():
                table[key] = str(kept)
    return changed


def without_places(experiment: Mapping[str, Any]) -> dict[str, Any]:
    """With names in place of paths: what is in the texts is compared by the digest of the traffic,
    and a trace is taken from the run's folder."""
    changed = deepcopy(dict(experiment))
    if isinstance(changed.get("texts"), str):
        changed["texts"] = Path(changed["texts"]).name
    arrivals = changed["load"]["arrivals"]
    if "file" in arrivals:
        arrivals["file"] = Path(arrivals["file"]).name
    return changed


def _named(experiment: Experiment) -> Iterator[tuple[str, Path]]:
    if experiment.texts:
        yield "texts", Path(experiment.texts)
    arrivals = experiment.load.arrivals
    if isinstance(arrivals, Trace):
        yield "trace", Path(arrivals.file)
