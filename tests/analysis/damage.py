"""Ways in which the folder of a run can be damaged, or made by somebody else: for every file, and
for every field and column in it, a table of what may stand there instead."""

import json
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

Damage = Callable[[Path], None]
"""Does its harm to a file."""

_MARK = "@put-here@"
FIELD_VALUES = {
    "null": "null",
    "true": "true",
    "text": '"x"',
    "empty text": '""',
    "markup": '"<b>|`$x$`|</b>\\n# x"',
    "lone surrogate": '"\\ud800"',
    "NUL": '"\\u0000"',
    "minus one": "-1",
    "zero": "0",
    "half": "0.5",
    "huge": "1e300",
    "NaN": "NaN",
    "infinity": "Infinity",
    "overflowing": "1e999",
    "a hundred digits": "9" * 100,
    "ten thousand digits": "9" * 10_000,
    "list": "[]",
    "list of list": "[[1]]",
    "object": "{}",
    "object of object": '{"x": {"y": 1}}',
    "deep nesting": "[" * 50_000 + "]" * 50_000,
}


def field_damages(content: Any, kind: str) -> list[Damage]:
    """One for each field of a JSON file: it is removed, or replaced by that one of FIELD_VALUES."""
    return [_rewriting(path, FIELD_VALUES.get(kind)) for path in _paths(content)]


def _paths(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    if isinstance(node, dict):
        for key, inner in node.items():
            yield from _paths(inner, (*path, key))
    elif isinstance(node, list) and node:
        yield from _paths(node[0], (*path, 0))


def _rewriting(path: tuple[Any, ...], text: str | None) -> Damage:
    def damage(file: Path) -> None:
        content = json.loads(file.read_text(encoding="utf-8"))
        node = content
        for key in path[:-1]:
            node = node[key]
        if text is None:
            del node[path[-1]]
        else:
            node[path[-1]] = _MARK
        file.write_text(json.dumps(content).replace(f'"{_MARK}"', text or ""), encoding="utf-8")

    return damage


def _fifo(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def _folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def _socket(file: Path) -> None:
    file.unlink()
    here = Path.cwd()
    os.chdir(file.parent)  # the path of a socket must be short
    try:
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind(file.name)
    finally:
        os.chdir(here)


def _link_to(target: str) -> Damage:
    def damage(file: Path) -> None:
        file.unlink()
        file.symlink_to(target)

    return damage


def _content(content: bytes) -> Damage:
    def damage(file: Path) -> None:
        file.write_bytes(content)

    return damage


def _cut(file: Path) -> None:
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])


def _grown(file: Path) -> None:
    os.truncate(file, 2**40)


FILE_DAMAGES: dict[str, Damage] = {
    "removed": Path.unlink,
    "empty": _content(b""),
    "cut": _cut,
    "invalid UTF-8": _content(b'{"schema_version": 4, "x": "\xff\xfe"}'),
    "UTF-16": _content('{"schema_version": 4}'.encode("utf-16")),
    "null": _content(b"null"),
    "list": _content(b"[]"),
    "number": _content(b"1"),
    "text": _content(b'"x"'),
    "NaN": _content(b"NaN"),
    "only its version": _content(b'{"schema_version": 4}'),
    "deep nesting": _content(b"[" * 100_000),
    "deep objects": _content(b'{"a":' * 100_000),
    "zeros": _content(bytes(10_000)),
    "grown to 1 TiB": _grown,
    "pipe": _fifo,
    "folder": _folder,
    "socket": _socket,
    "link to a device": _link_to("/dev/zero"),
    "link to itself": _link_to("trial.json"),
    "link to nothing": _link_to("nothing"),
    "link to a folder": _link_to("/"),
}

Change = Callable[[pd.DataFrame, str], pd.DataFrame]


def _set(value: Any) -> Change:
    return lambda frame, column: frame.assign(**{column: value})


def _first(value: Any) -> Change:
    def change(frame: pd.DataFrame, column: str) -> pd.DataFrame:
        values = frame[column].tolist()
        values[0] = str(value) if isinstance(values[0], str) else value
        return frame.assign(**{column: pd.Series(values, index=frame.index)})

    return change


COLUMN_CHANGES: dict[str, Change] = {
    "removed": lambda frame, column: frame.drop(columns=column),
    "all text": _set("x"),
    "all null": _set(None),
    "all NaN": _set(float("nan")),
    "all infinite": _set(float("inf")),
    "all true": _set(True),
    "all lists": lambda frame, column: frame.assign(**{column: [[1]] * len(frame)}),
    "all zero": _set(0),
    "all minus one": _set(-1),
    "all huge": _set(1e300),
    "all a large index": _set(2**31 - 1),
    "all times": _set(pd.Timestamp("2026-01-01")),
    "one minus one": _first(-1),
    "one huge": _first(1e300),
    "one infinite": _first(float("inf")),
    "one null": _first(None),
    "no rows": lambda frame, _: frame.iloc[:0],
    "one row": lambda frame, _: frame.iloc[:1],
    "rows reversed": lambda frame, _: frame.iloc[::-1],
    "rows twice": lambda frame, _: pd.concat([frame, frame]),
}


def column_damages(columns: list[str], kind: str) -> list[Damage]:
    """One for each column of a table, by that one of COLUMN_CHANGES."""
    return [_rewritten_table(COLUMN_CHANGES[kind], column) for column in columns]


def _rewritten_table(change: Change, column: str) -> Damage:
    """Changes the rows of each row group, and leaves what the file says of the groups."""

    def damage(file: Path) -> None:
        stored = pq.ParquetFile(file)
        groups = [stored.read_row_group(k).to_pandas() for k in range(stored.num_row_groups)]
        changed = [change(frame, column) for frame in groups]
        table = pa.Table.from_pandas(pd.concat(changed), preserve_index=False)
        schema = table.schema.with_metadata(stored.schema_arrow.metadata)
        begin = 0
        with pq.ParquetWriter(file, schema) as writer:
            for frame in changed:
                writer.write_table(table.slice(begin, len(frame)).cast(schema))
                begin += len(frame)

    return damage
