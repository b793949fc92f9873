"""The base of every value read from a models file, and what is wrong with one that is not valid."""

import difflib
from collections.abc import Mapping
from typing import Annotated, Any, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

# What a signed number of 32 bits holds, as in Triton's configurations.
MOST = 2**31 - 1
Count = Annotated[int, Field(ge=0, le=MOST)]
Positive = Annotated[int, Field(ge=1, le=MOST)]

_MOST_SHOWN_CHARS = 80
_IN_WORDS_OF_TOML = {
    "tuple_type": "input should be a list, in brackets",
    "too_short": "expected at least one entry",
    "model_type": "input should be a table",
    "mapping_type": "input should be a table",
    "dict_type": "input should be a table",
}


class Strict(BaseModel):
    """Frozen, and refuses keys it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def require_one(table: BaseModel, *names: str) -> None:
    """ValueError unless exactly one of the settings is given."""
    given = [name for name in names if getattr(table, name) is not None]
    if len(given) != 1:
        found = " and ".join(given) or "none of them"
        raise ValueError(f"expected one of {', '.join(names)}, found {found}")


class ModelsFileError(ValueError):
    """A models file from which no repository can be generated, in one sentence."""


def first_problem(error: ValidationError, table: type[BaseModel], raw: Any) -> str:
    """What is wrong, where, and what to do; raw is what was read."""
    problems = error.errors(include_url=False)
    # First of all a misspelt setting: it is missing, too, under its right name.
    misspelt = (each for each in problems if each["type"] == "extra_forbidden")
    problem = next(misspelt, problems[0])
    where, location = _where(problem["loc"], raw), problem["loc"]
    if problem["type"] == "extra_forbidden":
        near = difflib.get_close_matches(str(location[-1]), _siblings(table, location), n=1)
        hint = f"did you mean {near[0]!r}?" if near else "remove it, or correct its name."
        return f"{where} is not a setting of a models file; {hint}"
    if problem["type"] == "missing":
        return f"{where} is missing; add it (trio-small.toml shows how)."
    message = _IN_WORDS_OF_TOML.get(problem["type"], problem["msg"].removeprefix("Value error, "))
    own = problem["type"] == "value_error"  # which says itself what was found
    found = "" if own else f", found {_shown(problem['input'])}"
    return f"{where}: {message[0].lower()}{message[1:]}{found}; correct it."


def _where(location: tuple[int | str, ...], raw: Any) -> str:
    """The place in words of the file: an element of a list by its name, or by its number."""
    parts: list[str] = []
    for step in location:
        try:
            raw = raw[step]
        except (LookupError, TypeError):
            raw = None
        named = raw.get("name", raw.get("number")) if isinstance(raw, Mapping) else None
        if isinstance(step, int):
            step = str(step + 1) if named is None else str(named)
        parts.append(
            step if step.isprintable() and len(step) <= _MOST_SHOWN_CHARS else _shown(step)
        )
    return ".".join(parts) or "the file"


def _siblings(table: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """The settings of the table in which location, the place of an unknown one, lies."""
    for step in location[:-1]:
        if isinstance(step, str) and step in table.model_fields:
            table = next(iter(_tables_in(table.model_fields[step].annotation)), table)
    return list(table.model_fields)


def _tables_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [table for part in get_args(annotation) for table in _tables_in(part)]


def _shown(found: object) -> str:
    text = repr(found)
    return text if len(text) <= _MOST_SHOWN_CHARS else f"{text[:_MOST_SHOWN_CHARS]}..."
