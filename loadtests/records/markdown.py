"""Text that somebody else chose, inside Markdown: shown as it is, never taken as markup."""

import html
import re

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


def _ticks(text: str, least: int) -> str:
    longest = max((len(run) for run in _BACKTICKS.findall(text)), default=0)
    return "`" * max(least, longest + 1)
