"""Reads an experiment from its TOML file, or says in one sentence what is wrong with it."""

import difflib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from loadtests.records.stored import shown
from loadtests.spec.contenders import resolve_contenders
from loadtests.spec.experiment import Experiment
from loadtests.spec.inputs import with_kept_inputs
from servers.discovery import ContenderError
from servers.regular_file import read_regular

SHIPPED = Path(__file__).parents[1] / "experiments"
MOST_BYTES = 2**20


class SpecError(ValueError):
    """An experiment file that cannot be run, as one sentence for its author."""


def read_experiment(path: Path) -> Experiment:
    """The experiment in a TOML file, or one that comes with the study by its name; SpecError says
    what is wrong with it, and where."""
    try:
        path = _shipped(path) or path
        content = read_regular(path, MOST_BYTES)
    except OSError as error:
        raise SpecError(
            f"cannot read the experiment {path} ({error.strerror}): "
            "`study list` names the experiments that come with the study."
        ) from error
    try:
        raw = tomllib.loads(content.decode("utf-8-sig"))
    except RecursionError as error:
        raise SpecError(f"{path} is not an experiment: its tables are nested too deep.") from error
    except ValueError as error:  # no TOML, no UTF-8, or a number of thousands of digits
        raise SpecError(f"{path} is not a TOML file: {error}.") from error
    try:
        experiment = Experiment.model_validate(raw, context={"folder": path.parent})
        resolve_contenders(experiment)
    except ValidationError as error:
        raise SpecError(f"{path}: {_first_problem(error)}") from error
    except ContenderError as error:
        raise SpecError(f"{path}: {error}") from error
    return experiment


def _shipped(path: Path) -> Path | None:
    """The experiment of that name, where the path is a bare name and no file."""
    shipped = SHIPPED / f"{path}.toml"
    bare = path.name == str(path) and not path.suffix and not path.exists()
    return shipped if bare and shipped.is_file() else None


def stored_experiment(raw: Mapping[str, Any], folder: Path) -> Experiment:
    """The experiment in the manifest of the run in folder, with the files that are kept there;
    SpecError where it cannot be continued any more."""
    try:
        return Experiment.model_validate(with_kept_inputs(raw, folder))
    except ValidationError as error:
        raise SpecError(f"the experiment of this run: {_first_problem(error)}") from error


def _first_problem(error: ValidationError) -> str:
    problem = error.errors()[0]
    where = ".".join(str(part) for part in problem["loc"]) or "the file"
    if problem["type"] == "extra_forbidden":
        near = difflib.get_close_matches(str(problem["loc"][-1]), _siblings(problem["loc"]), n=1)
        hint = f"did you mean {near[0]!r}?" if near else "remove it or correct its name."
        return f"{where} is not a setting of an experiment; {hint}"
    if problem["type"] == "missing":
        example = "external" if where.startswith("external.") else "default"
        return f"{where} is missing; add it (loadtests/experiments/{example}.toml shows how)."
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "tuple_type":  # which TOML calls an array
        message = "input should be a list, in brackets"
    message = message[0].lower() + message[1:]
    found = (
        "" if isinstance(problem["input"], dict) else f" (found {shown(repr(problem['input']))})"
    )
    return f"{where}: {message}{found}; correct it."


def _siblings(location: tuple[int | str, ...]) -> list[str]:
    """The settings of the table in which location, the place of an unknown one, lies."""
    tables: list[type[BaseModel]] = [Experiment]
    for part in location[:-1]:
        fields = [table.model_fields[part] for table in tables if part in table.model_fields]
        inside = [model for field in fields for model in _models_in(field.annotation)]
        tables = inside or [table for table in tables if _may_hold(table, part)] or tables
    return list(tables[0].model_fields)


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models_in(part)]


def _may_hold(table: type[BaseModel], value: int | str) -> bool:
    """Whether value is one that tells this table from others, such as the kind of arrivals."""
    return any(value in get_args(field.annotation) for field in table.model_fields.values())
