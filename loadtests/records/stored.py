"""What lies in a results folder is read here and nowhere else: somebody else may have made it.

A file is taken as what it should be, or refused in one sentence: RecordError.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, cast

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from servers.regular_file import read_regular

SCHEMA_VERSION = 4
MOST_JSON_BYTES = 64 * 2**20
AGAIN = "run the experiment again."
RESUME = "delete its folder and resume the run."
_MOST_SHOWN_CHARS = 100

Kind = TypeVar("Kind")

# The bounds are far beyond what is measured, and keep sums and products of them finite.
Finite = Annotated[float, Field(allow_inf_nan=False)]
Number = Annotated[float, Field(ge=-1e18, le=1e18, allow_inf_nan=False)]
Amount = Annotated[float, Field(ge=0, le=1e18, allow_inf_nan=False)]
Positive = Annotated[float, Field(ge=1e-9, le=1e9, allow_inf_nan=False)]
LengthS = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]
WindowS = Annotated[float, Field(ge=0.001, le=1e9, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0, lt=2**53)]
Core = Annotated[int, Field(ge=0, lt=2**20)]
Block = Annotated[int, Field(ge=0, le=10_000)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9.+_-]*$", max_length=200)]
Share = Annotated[float, Field(ge=0, le=1)]
When = Annotated[str, Field(pattern=r"^[0-9TZ:.+-]*$", max_length=40)]


class RecordError(ValueError):
    """A results folder cannot be read as one of this project's runs."""


class _Versioned(BaseModel):
    schema_version: Any = None


def read_stored(
    path: Path, kind: type[Kind], remedy: str = AGAIN, extra: Literal["ignore"] | None = None
) -> Kind:
    """The JSON file of this version of the study, as a value of kind; extra "ignore": fields that
    kind does not have are left aside, whatever it says of them itself."""
    return _value(_content(path, remedy), str(path), kind, remedy, extra)


def read_stored_lines(path: Path, kind: type[Kind], remedy: str) -> dict[str, Kind]:
    """One such value a line, by the place that a sentence names."""
    lines = _content(path, remedy).removesuffix(b"\n").split(b"\n")
    named = {f"{path}, line {n}": line for n, line in enumerate(lines, start=1)}
    return {where: _value(line, where, kind, remedy) for where, line in named.items()}


def _content(path: Path, remedy: str) -> bytes:
    try:
        return read_regular(path, MOST_JSON_BYTES)
    except (FileNotFoundError, NotADirectoryError):
        raise RecordError(
            f"expected {path.name} in {path.parent}, found none: give the folder of a run, "
            "as printed by `study list`."
        ) from None
    except OSError as error:
        raise RecordError(f"cannot read {path} ({error.strerror}): {remedy}") from error


def _value(
    content: bytes,
    where: str,
    kind: type[Kind],
    remedy: str,
    extra: Literal["ignore"] | None = None,
) -> Kind:
    with _refused(where, remedy):
        found = _adapter(_Versioned).validate_json(content).schema_version
        if type(found) is not int or found != SCHEMA_VERSION:
            raise RecordError(
                f"{where} has schema version {shown(found)}, this version of the study reads "
                f"{SCHEMA_VERSION}: use the version that made the run."
            )
        value: Kind = _adapter(cast(Any, kind)).validate_json(content, strict=True, extra=extra)
    return value


@contextmanager
def _refused(file: str, remedy: str) -> Iterator[None]:
    """Says of the first problem that pydantic finds where it lies, and what to do."""
    try:
        yield
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        if first["type"] == "json_invalid":
            reason = first["msg"].removeprefix("Invalid JSON: ")
            raise RecordError(f"{file} is not JSON ({reason}): {remedy}") from error
        where = shown(".".join(str(step) for step in first["loc"]) or "all of it")
        problem = shown(first["msg"].removeprefix("Value error, "), 300)  # it may quote the file
        raise RecordError(
            f"{file}: {where}: {problem}; it is damaged or from another version of the study: "
            f"{remedy}"
        ) from error


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def shown(found: object, most_chars: int = _MOST_SHOWN_CHARS) -> str:
    """The beginning of what somebody else wrote, as printable text on one line."""
    text = found if isinstance(found, str) else repr(found)
    line = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text[:most_chars])
    return line if len(text) <= most_chars else f"{line}..."
