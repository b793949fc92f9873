"""What a bundle holds, for the terminal."""

from pathlib import Path

from rich.table import Table

from bundle.gather import Contents
from bundle.pack import files_in
from bundle.wanted import NOT_IMPORTED

MIB = 1 << 20


def files_table(folder: Path, title: str) -> Table:
    """The files in folder with their sizes."""
    table = Table("file", "MiB", title=title)
    table.columns[1].justify = "right"
    sizes = {name: path.stat().st_size for name, path in files_in(folder).items()}
    for name, size_bytes in {**sizes, "together": sum(sizes.values())}.items():
        table.add_row(name, f"{size_bytes / MIB:.1f}")
    return table


def remarks(contents: Contents) -> list[str]:
    """Sentences that a person should read before using the bundle."""
    packed, present, host = contents.packages.packed, contents.packages.present, contents.host
    found = []
    if contents.changed_files:
        found.append(
            f"Warning: {contents.changed_files} files differ from HEAD; the bundle holds them as "
            "committed."
        )
    if NOT_IMPORTED not in {*packed, *present}:
        found.append(
            "Without Triton: its Python stubs need numpy below 2, which has no wheels for Python "
            f"{contents.target.python}; its contenders will be reported as not started."
        )
    if not host:
        return [*found, "No --have: everything is packed, as for a Python with no packages."]
    newer = ", ".join(f"{name} {host[name] or ''}".strip() for name in packed if name in host)
    return [
        *found,
        f"Used as the target has it: {', '.join(present)}.",
        f"Packed in place of what the target has: {newer or 'nothing'}.",
    ]
