"""Markdown: tables, the origin of a page, and text that somebody else chose.

Such text is shown as it is, and never taken as markup.
"""

import html
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

_MARKUP = re.compile(r"[\\`*\[\]|$]|~(?=~)|(?<![^\W_])_|_(?![^\W_])|^[#+-](?=[\s#-])")
_BREAKS = re.compile(r"[^\S\u00a0]+|[\x00-\x1f\x7f]+")  # but for spaces that hold together
_NUMBERED = re.compile(r"^(\d+)([.)])(?=\s)")
_BACKTICKS = re.compile("`+")


def inline(text: object) -> str:
    """text on one line of a paragraph, a list or a table, without markup, HTML or links."""
    line = html.escape(_BREAKS.sub(" ", str(text)), quote=False)
    return _NUMBERED.sub(r"\1\\\2", _MARKUP.sub(lambda found: f"\\{found[0]}", line))


def code(text: object) -> str:
    """text as a span of code in a paragraph."""
    line = _BREAKS.sub(" ", str(text))
    ticks = _ticks(line, 1)
    return f"{ticks} {line} {ticks}" if "`" in line else f"{ticks}{line}{ticks}"


def code_block(text: object) -> str:
    """text as a block of code."""
    ticks = _ticks(str(text), 3)
    return f"{ticks}\n{text}\n{ticks}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]], n_words: int | None = None) -> str:
    """A table of cells that are Markdown already; columns after the first n_words hold numbers."""
    n_left = len(head) if n_words is None else n_words
    rule = ["---" if column < n_left else "---:" for column in range(len(head))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *rows))


def provenance(record: Mapping[str, Any]) -> list[str]:
    """Where the figures of a page were measured, and how; of its record, as it lies beside it."""
    machine, git = record["machine"], record["git"]
    where = inline(machine["cpu_model"]), f"{machine['cpu_count']} cores", inline(_gpu(machine))
    cores = {role: ", ".join(map(str, numbers)) for role, numbers in record["cores"].items()}
    commit = str(git["commit"] or "unknown")[:12] + (" with changes" if git["dirty"] else "")
    return [
        f"- Machine: {', '.join(where)}; server on cores {cores['server']}, clients on "
        f"{cores['load']}.",
        f"- Made {record['created_at']} at commit {inline(commit)} by {code(record['command'])}.",
    ]


def with_section(page: str, name: str, section: str) -> str:
    """page with what stands between the markers of that name replaced."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    before, _, rest = page.partition(begin)
    _, _, after = rest.partition(end)
    return f"{before}{begin}\n\n{section}\n\n{end}{after}"


def write_section(path: Path, name: str, section: str) -> None:
    """The same to the page in a file."""
    page = path.read_text(encoding="utf-8")
    path.write_text(with_section(page, name, section), encoding="utf-8")


def _gpu(machine: Mapping[str, Any]) -> str:
    return str(machine["gpu"]["name"]) if machine["gpu"] else "no GPU"


def _ticks(text: str, least: int) -> str:
    longest = max((len(run) for run in _BACKTICKS.findall(text)), default=0)
    return "`" * max(least, longest + 1)
