"""Whatever stops the packing of a run, every trial is there and as it was."""

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

import pytest

from loadtests.records.packing import pack
from loadtests.records.run_folder import forget_failed
from loadtests.records.run_trials import trial_folders
from loadtests.records.stored import SCHEMA_VERSION
from loadtests.records.trials import write_json

from .packed_run import PACKED, add_trial, content


@pytest.fixture
def small_run(tmp_path: Path) -> Path:
    add_trial(tmp_path / "small", "a")
    add_trial(tmp_path / "small", "failed", status="failed")
    return tmp_path / "small"


class Killed(BaseException):
    """In place of a kill: nothing that comes after it, tidying up included, is done."""


CHANGES = ("open", "mkdir", "rename", "replace", "unlink", "rmdir", "fsync")


@contextmanager
def killed_before_change(number: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """From that change of the file system on (0: the first one), none takes place."""
    made: list[str] = []

    def refusing(name: str, change: Callable[..., object]) -> Callable[..., object]:
        def changed(*args: object, **kwargs: object) -> object:
            if name == "open" and not args[1] & os.O_CREAT:  # type: ignore[operator]  # flags
                return change(*args, **kwargs)
            if len(made) >= number:
                raise Killed
            made.append(name)
            return change(*args, **kwargs)

        return changed

    with monkeypatch.context() as patched:
        for name in CHANGES:
            patched.setattr(os, name, refusing(name, getattr(os, name)))
        yield


def killed_at_every_point(
    change: Callable[[Path], None], run_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """A copy of the run for each change of the file system that there is, killed before that one;
    in the end one that was not."""
    for number in count():
        stopped = run_dir.with_name(f"stopped-{number}")
        shutil.copytree(run_dir, stopped)
        with killed_before_change(number, monkeypatch), suppress(Killed):
            change(stopped)
            number = -1
        yield stopped
        if number < 0:
            return


@pytest.mark.parametrize("resumed", [False, True], ids=["first packing", "after a resume"])
def test_a_packing_that_is_killed_at_any_point_loses_nothing_and_is_finished_by_the_next(
    resumed: bool, small_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if resumed:
        pack(small_run)
        add_trial(small_run, "a", n_rows=6)
        add_trial(small_run, "later", status="failed")
    expected, n_killed = content(small_run), 0
    folders = [folder.name for folder in trial_folders(small_run)]
    for stopped in killed_at_every_point(pack, small_run, monkeypatch):
        n_killed += 1
        assert content(stopped) == expected
        assert [folder.name for folder in trial_folders(stopped)] in (folders, [])
        pack(stopped)
        assert content(stopped) == expected
        assert {path.name for path in stopped.iterdir()} == {*PACKED, "logs"}
        assert (stopped / "logs" / "failed" / "server.log").read_text() == "log of failed"
    assert n_killed > 15


def test_forgetting_that_is_killed_at_any_point_loses_no_completed_trial(
    small_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pack(small_run)
    add_trial(small_run, "later", status="failed", purpose="measurement")
    completed = {"a": content(small_run)["a"]}
    write_json(small_run / "manifest.json", {"schema_version": SCHEMA_VERSION})
    for stopped in killed_at_every_point(forget_failed, small_run, monkeypatch):
        assert content(stopped).items() >= completed.items()
        forget_failed(stopped)
        assert content(stopped) == completed


@pytest.mark.parametrize("name", sorted(PACKED))
def test_a_full_disk_stops_the_packing_and_loses_nothing(
    name: str, small_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = content(small_run)

    def full(path: Path) -> None:
        if name in path.name:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        for module in ("packing", "run_trials"):
            patched.setattr(f"loadtests.records.{module}.on_disk", full)
        with pytest.raises(OSError, match="No space left on device"):
            pack(small_run)
    assert content(small_run) == expected
    assert [path for path in small_run.iterdir() if path.name.startswith(".")] == []
    pack(small_run)
    assert content(small_run) == expected
