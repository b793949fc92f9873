"""What a bundle holds, for the terminal."""

from collections.abc import Sequence
from pathlib import Path

from rich.markup import escape
from rich.table import Table

from bundle.closure import Closure
from bundle.freeze import Host
from bundle.gather import Contents
from bundle.pack import MIB, contents_files
from bundle.wanted import LEANER, NOT_IMPORTED


def contents_tables(contents: Contents, part_bytes: int | None) -> list[Table]:
    """What is packed, what the target has already, what is left out."""
    return [_packed(contents, part_bytes), _present(contents.closure), _left_out(contents.closure)]


def remarks(contents: Contents) -> list[str]:
    """Sentences that a person should read before using the bundle."""
    found = []
    if contents.changed_files:
        found.append(
            f"Warning: {contents.changed_files} files differ from HEAD; the bundle holds them as "
            "committed."
        )
    if not NOT_IMPORTED.keys() & contents.closure.asked_by:
        found.append(
            "Without Triton: its Python stubs need numpy below 2, which has no wheels for Python "
            f"{contents.target.python}; its contenders will be reported as not started."
        )
    if not contents.host:
        found.append("No --have: everything is packed, as for a Python with no packages.")
    return found


def files_table(folder: Path) -> Table:
    """The files of a written bundle."""
    table = Table("file", "MiB", title=folder.name)
    table.columns[1].justify = "right"
    for path in sorted(folder.iterdir()):
        table.add_row(path.name, _mib(path.stat().st_size))
    table.add_section()
    table.add_row("together", _mib(sum(path.stat().st_size for path in folder.iterdir())))
    return table


def _packed(contents: Contents, part_bytes: int | None) -> Table:
    title = f"Packed for Python {contents.target.python} on {contents.target.platform}"
    table = Table("what", "version", "MiB", "why", title=title)
    table.columns[2].justify = "right"
    closure = contents.closure
    for name, release in sorted(closure.packed.items()):
        why = f"for {_some(closure.asked_by[name])}{_replaced(name, contents.host)}"
        table.add_row(name, str(release.version), _mib(release.wheel.stat().st_size), why)
    if contents.triton_numpy:
        numpy = contents.triton_numpy
        why = "apart: for Triton's Python stubs, which cannot use the host's numpy 2"
        table.add_row("numpy", str(numpy.version), _mib(numpy.wheel.stat().st_size), why)
    for size, folder in contents.models.items():
        total = sum(path.stat().st_size for path in folder.iterdir())
        table.add_row(f"model {size}", folder.name, _mib(total), "ready-made")
    tar_bytes = contents.project_tar.stat().st_size
    table.add_row("project", contents.commit[:12], _mib(tar_bytes), "the files of HEAD")
    total = sum(path.stat().st_size for path in contents_files(contents).values())
    parts = f"about {-(-total // part_bytes)} parts" if part_bytes else "one archive"
    table.add_section()
    table.add_row("together", "", _mib(total), parts)
    return table


def _present(closure: Closure) -> Table:
    table = Table("the target has", "version", title="Used as the target has it")
    for name, version in closure.present.items():
        table.add_row(name, str(version or "not stated"))
    return table


def _left_out(closure: Closure) -> Table:
    table = Table("required", "packed instead", "because", title="Left out")
    for name, (instead, reason) in LEANER.items():
        table.add_row(name, escape(instead), reason)
    for name, reason in NOT_IMPORTED.items():
        if name not in closure.asked_by:
            continue
        table.add_row(name, f"{name} alone", reason)
    return table


def _replaced(name: str, host: Host) -> str:
    return f"; the target's {host[name]} is outside what is asked for" if name in host else ""


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:3])
    return f"{shown} and {len(names) - 3} more" if len(names) > 3 else shown


def _mib(size_bytes: int) -> str:
    return f"{size_bytes / MIB:.1f}"
