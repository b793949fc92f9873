"""A user's own texts, from a file of the kind that its name says."""

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from servers.classifier.errors import ClassifierError
from servers.regular_file import read_regular
from servers.storable import storable
from servers.text_rule import TextError, checked_text

MOST_BYTES = 512 * 2**20
_COLUMN = "text"

Found = Iterator[tuple[str, str]]
"""Where each text stands, and the text."""


def read_texts(path: Path) -> tuple[str, ...]:
    """The texts of a file in its order, repeats kept: one a line, or what _READERS says of its
    suffix. Blank lines are skipped. ClassifierError names the line that is wrong."""
    read = _READERS.get(path.suffix.lower(), _lines)
    texts = tuple(_checked(text, where) for where, text in read(_content(path), path))
    if not texts:
        raise ClassifierError(f"expected at least one text in {path}, found none: add one a line.")
    return texts


def _content(path: Path) -> str:
    try:
        return read_regular(path, MOST_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ClassifierError(
            f"expected UTF-8 in {path}, found byte 0x{error.object[error.start]:02x} on line "
            f"{error.object[: error.start].count(10) + 1}: save the file as UTF-8."
        ) from None
    except OSError as error:
        raise ClassifierError(
            f"expected a file of texts at {path}, could not read it ({error.strerror}): check "
            "the path."
        ) from None


def _checked(text: str, where: str) -> str:
    """The text as contenders take it; half a surrogate pair, which none can be sent, is escaped."""
    try:
        return checked_text(storable(text))
    except TextError as error:
        raise ClassifierError(
            f"{where}: {str(error).removesuffix('.')}; contenders refuse it: correct the text or "
            "remove it."
        ) from None


def _lines(content: str, path: Path) -> Found:
    lines = list(_not_blank(content, path))
    if lines and all(_is_json(line) for _, line in lines):
        raise ClassifierError(
            f"expected one text a line in {path}, found JSON, which would be sent as it stands: "
            "name the file *.jsonl, or *.json where it is one list."
        )
    yield from lines


def _not_blank(content: str, path: Path) -> Found:
    for number, line in enumerate(content.split("\n"), start=1):
        if line.strip():
            yield f"{path} line {number}", line


def _is_json(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict | list)
    except (ValueError, RecursionError):
        return False


def _json_lines(content: str, path: Path) -> Found:
    for where, line in _not_blank(content, path):
        yield where, _text_in(_parsed(line, where), where)


def _json_list(content: str, path: Path) -> Found:
    entries = _parsed(content, str(path))
    if not isinstance(entries, list):
        raise ClassifierError(
            f"expected a JSON list of texts in {path}, found {_kind(entries)}: give one list, or "
            "name the file *.jsonl where every line is an object."
        )
    for number, entry in enumerate(entries, start=1):
        yield f"{path} entry {number}", _text_in(entry, f"{path} entry {number}")


def _parsed(written: str, where: str) -> Any:
    try:
        return json.loads(written)
    except json.JSONDecodeError as error:
        problem = error.msg if "\n" not in written else f"{error.msg}, line {error.lineno}"
    except (ValueError, RecursionError):
        problem = "numbers too long or nested too deep"
    raise ClassifierError(
        f'expected JSON with a "{_COLUMN}" at {where}, found no JSON ({problem}): correct it, or '
        "name a file of plain texts *.txt."
    )


def _text_in(entry: Any, where: str) -> str:
    text = entry.get(_COLUMN) if isinstance(entry, dict) else entry
    if not isinstance(text, str):
        raise ClassifierError(
            f'expected a string, or a JSON object whose "{_COLUMN}" is a string at {where}, found '
            f"{_kind(text)}: correct it."
        )
    return text


def _kind(value: Any) -> str:
    kinds = {dict: "an object", list: "a list", str: "a string", type(None): "none"}
    return kinds.get(type(value), "another value")


def _table(content: str, path: Path) -> Found:
    """A column named text, between commas, semicolons or tabs."""
    heading = content.partition("\n")[0].strip()
    named = {delimiter: heading.lower().split(delimiter) for delimiter in ",;\t"}
    columns = {d: [name.strip(' "') for name in names] for d, names in named.items()}
    delimiter = next((d for d, names in columns.items() if _COLUMN in names), None)
    if delimiter is None:
        raise ClassifierError(
            f"expected a column named {_COLUMN!r} in the first line of {path}, found "
            f"{heading[:100]!r}: name the column so, or give plain texts as *.txt."
        )
    column = columns[delimiter].index(_COLUMN)
    rows = csv.reader(io.StringIO(content, newline=""), delimiter=delimiter, strict=True)
    try:
        next(rows)
        for row in rows:
            if any(cell.strip() for cell in row):
                where = f"{path} line {rows.line_num}"
                yield where, _cell(row, column, where)
    except csv.Error as error:
        raise ClassifierError(
            f"expected CSV at {path} line {rows.line_num}, found none ({error}): correct it."
        ) from None


def _cell(row: list[str], column: int, where: str) -> str:
    if column >= len(row):
        raise ClassifierError(
            f"expected at least {column + 1} cells at {where}, found {len(row)}: add the text."
        )
    return row[column]


_READERS: Mapping[str, Callable[[str, Path], Found]] = {
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".json": _json_list,
    ".csv": _table,
    ".tsv": _table,
}
