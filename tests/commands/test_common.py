"""Where commands write, and the voice in which they say what goes on."""

import io
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from commands import common
from commands.errors import FolderError
from study import app


def test_the_command_that_a_record_names_can_be_copied_into_a_shell(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given = ["/bin/study", "capacity", "my file.toml", "--slo", "p99<=50ms"]
    monkeypatch.setattr("sys.argv", given)
    assert common.command_line() == "study capacity 'my file.toml' --slo 'p99<=50ms'"


@pytest.mark.parametrize(
    "command",
    [
        *(["run", "smoke"], ["capacity", "default"], ["smoke"], ["calibrate"], ["crosscheck"]),
        *(["colocate"],),
    ],
    ids=lambda command: command[0],
)
def test_a_folder_that_takes_nothing_ends_a_command_before_it_begins(
    command: list[str],
) -> None:
    done = CliRunner().invoke(app, [*command, "--results", "/proc/nothing/here"])

    assert done.exit_code == 2
    assert done.stdout == ""
    (sentence,) = done.stderr.splitlines()
    assert sentence.startswith("study: expected to write to /proc/nothing/here, found: ")


def test_a_bundle_says_so_too() -> None:
    done = CliRunner().invoke(app, ["bundle", "--out", "/proc/nothing"])

    assert done.exit_code == 2
    assert "study: expected to write to /proc/nothing, found: " in done.stderr


def test_a_folder_that_can_be_made_is_left_to_whoever_writes_there(tmp_path: Path) -> None:
    common.writable(tmp_path / "a" / "b")

    assert list(tmp_path.iterdir()) == []


def test_a_folder_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(FolderError, match="Not a directory; make room there or name another"):
        common.writable(tmp_path / "file" / "results")


def test_square_brackets_in_a_status_are_no_markup(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = io.StringIO()
    monkeypatch.setattr(common, "console", Console(file=shown, force_terminal=True, width=60))

    with common.status("[/] starting") as update:
        update("asking [red]one[/] of them")

    assert "asking [red]one[/] of them" in shown.getvalue()
