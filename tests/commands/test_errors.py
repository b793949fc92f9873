"""What a command says when something cannot be done, instead of a traceback."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import typer

from commands.errors import exits_with_a_sentence, stopped_without_a_trace
from loadtests.launch.server import LaunchError


def failing(error: BaseException) -> Callable[..., None]:
    def command() -> None:
        raise error

    return exits_with_a_sentence(command)


@pytest.mark.parametrize(
    "number", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EEXIST, errno.ELOOP]
)
def test_a_disk_that_takes_nothing_is_one_sentence_that_names_the_place(
    number: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit) as ended:
        failing(OSError(number, os.strerror(number), "/somewhere/results"))()
    assert ended.value.exit_code == 2
    (sentence,) = capsys.readouterr().err.splitlines()
    assert sentence == (
        f"study: expected to write to /somewhere/results, found: {os.strerror(number)}; "
        "make room there or name another folder."
    )


def test_results_below_a_file_are_refused_in_the_same_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()

    @exits_with_a_sentence
    def command(results: Path) -> None:
        results.mkdir(parents=True)

    with pytest.raises(typer.Exit):
        command(tmp_path / "file" / "results")
    assert f"expected to write to {tmp_path}/file/results, found: Not a dir" in (
        capsys.readouterr().err
    )


def test_what_nobody_expected_keeps_its_traceback() -> None:
    with pytest.raises(ConnectionResetError):
        failing(ConnectionResetError(errno.ECONNRESET, "reset"))()


def test_the_last_lines_of_a_log_come_before_the_sentence(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(typer.Exit):
        failing(LaunchError("it did not start.", ("one", "two")))()
    assert capsys.readouterr().err == "  | one\n  | two\nstudy: it did not start.\n"


def test_a_command_that_is_stopped_says_that_nothing_was_written(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(typer.Exit) as ended, stopped_without_a_trace():
        raise KeyboardInterrupt
    assert ended.value.exit_code == 130
    assert capsys.readouterr().err == "\nStopped; nothing was written.\n"


def test_a_stop_that_left_something_says_how_to_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as ended:
        failing(KeyboardInterrupt("Finished trials are kept: study run --resume x"))()
    assert ended.value.exit_code == 130
    assert capsys.readouterr().err == "\nStopped. Finished trials are kept: study run --resume x\n"
