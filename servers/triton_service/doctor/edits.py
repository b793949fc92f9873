"""Remedies as unified diffs, as `git apply` takes them."""

import difflib
import re


def diff(file: str, before: str, after: str) -> str:
    """Empty where nothing changes."""
    lines = difflib.unified_diff(
        before.splitlines(), after.splitlines(), f"a/{file}", f"b/{file}", n=1, lineterm=""
    )
    return "\n".join(lines)


def in_line(file: str, text: str, line: int, old: str, new: str) -> str:
    """Writes new for old in one line; empty where old is not in it."""
    lines = text.splitlines()
    if line > len(lines) or old not in lines[line - 1]:
        return ""
    changed = [*lines]
    changed[line - 1] = lines[line - 1].replace(old, new, 1)
    return diff(file, text, "\n".join(changed))


def before_line(file: str, text: str, line: int, *added: str) -> str:
    """Adds lines before one, as far to the right as it stands."""
    lines = text.splitlines()
    if line > len(lines):
        return ""
    indent = re.match(r"\s*", lines[line - 1])
    new = [(indent[0] if indent else "") + each for each in added]
    return diff(file, text, "\n".join([*lines[: line - 1], *new, *lines[line - 1 :]]))


def renamed(folder: str, old: str, new: str, files: tuple[str, ...]) -> str:
    """Moves the files of a folder's sub-folder into another one, in git's words."""
    parts = []
    for file in files:
        a, b = f"{folder}/{old}/{file}", f"{folder}/{new}/{file}"
        parts += [f"diff --git a/{a} b/{b}", "similarity index 100%"]
        parts += [f"rename from {a}", f"rename to {b}"]
    return "\n".join(parts)
