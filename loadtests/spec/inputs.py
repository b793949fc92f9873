"""The files that an experiment names, kept in the folder of its run, so that it can be resumed from
anywhere, after it was moved, and when they are gone."""

import shutil
from collections.abc import Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from loadtests.records.atomic import replacing
from loadtests.records.stored import RecordError
from loadtests.spec.experiment import Experiment
from servers.device_curve import CURVE_SUFFIX

INPUTS = "inputs"


def keep_inputs(experiment: Experiment, folder: Path) -> None:
    """Copies them under their own names, where that was not done yet."""
    for kind, table, key in _named(experiment.model_dump(mode="json")):
        file = Path(table[key])
        kept = folder / INPUTS / kind / file.name
        if kept.exists():
            continue
        try:
            kept.parent.mkdir(parents=True, exist_ok=True)
            with replacing(kept) as unfinished:  # a part of it would pass for the whole later
                shutil.copyfile(file, unfinished)
        except FileNotFoundError as error:
            raise RecordError(
                f"expected the {kind.partition('/')[0]} of the experiment at {file}, found none "
                "any more: leave it there until the run has begun."
            ) from error


def with_kept_inputs(experiment: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """An experiment of a manifest with the copies in the run's folder in place of the files."""
    changed = deepcopy(dict(experiment))
    for kind, table, key in _named(changed):
        kept = folder.absolute() / INPUTS / kind / Path(table[key]).name
        if kept.is_file():
            table[key] = str(kept)
    return changed


def without_places(experiment: Mapping[str, Any]) -> dict[str, Any]:
    """With names in place of paths: what is in the texts is compared by the digest of the traffic,
    and traces and curves are taken from the run's folder."""
    changed = deepcopy(dict(experiment))
    for _, table, key in _named(changed):
        table[key] = Path(table[key]).name
    return changed


def _named(experiment: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any], str]]:
    """The kind of each file that an experiment of a manifest names, and the table and the key that
    hold its path. Two variants may name curves that differ in their folders only."""
    places = [
        ("texts", experiment, "texts"),
        ("trace", _at(experiment, "load", "arrivals"), "file"),
    ]
    variants = experiment.get("variants")
    for variant in variants if isinstance(variants, list) else ():
        places.append((f"curve/{_at(variant, 'name')}", _at(variant, "options"), "curve"))
    for kind, table, key in places:
        path = _at(table, key)
        if isinstance(path, str) and (key != "curve" or path.endswith(CURVE_SUFFIX)):
            yield kind, table, key


def _at(table: Any, *keys: str) -> Any:
    """What a manifest holds there; None: nothing."""
    for key in keys:
        table = table.get(key) if isinstance(table, dict) else None
    return table
