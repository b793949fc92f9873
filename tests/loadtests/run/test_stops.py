"""What a person is told when something outside stops a run."""

import errno
import os
from pathlib import Path

import pytest

from loadtests.records.stored import RecordError
from loadtests.run.stops import says_how_to_report, says_how_to_resume


def told(error: BaseException) -> str:
    folder = Path("/results/a")
    with pytest.raises(RecordError) as stopped, says_how_to_resume(folder):
        raise error
    return str(stopped.value)


def test_a_full_disk_names_the_run_and_not_each_file_of_it() -> None:
    said = told(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/results/a/trials/.x/rows"))
    assert said == (
        "expected to write to /results/a, found: No space left on device; finished trials are "
        "kept: make room there or name another folder, then continue with study run --resume "
        "/results/a"
    )


def test_what_a_person_copies_into_a_shell_names_a_folder_with_blanks_whole() -> None:
    folder = Path("/a b/run")
    with pytest.raises(KeyboardInterrupt, match="--resume '/a b/run'$"), says_how_to_resume(folder):
        raise KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt, match="report '/a b/run'$"), says_how_to_report(folder):
        raise KeyboardInterrupt


def test_a_full_disk_while_the_report_is_written_says_how_to_write_it() -> None:
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with pytest.raises(RecordError) as stopped, says_how_to_report(Path("/results/a")):
        raise full
    assert str(stopped.value) == (
        "expected to write to /results/a, found: No space left on device; every trial is kept: "
        "make room there or name another folder, then continue with study report /results/a"
    )


def test_a_full_disk_elsewhere_is_named() -> None:
    said = told(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/tmp/x"))
    assert "expected to write to /tmp/x, found: " in said


def test_a_machine_that_has_no_more_of_something_has_a_remedy() -> None:
    said = told(OSError(errno.EMFILE, os.strerror(errno.EMFILE)))
    assert "raise the hard limit on open files" in said
    assert "continue with study run --resume /results/a" in said


def test_a_fault_of_the_study_is_not_explained_away() -> None:
    with pytest.raises(ConnectionResetError), says_how_to_resume(Path("/results/a")):
        raise ConnectionResetError(errno.ECONNRESET, "reset")
