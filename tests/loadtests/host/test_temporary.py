"""What a killed study left behind goes when the next one starts, and nothing else does."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from loadtests.host import temporary
from loadtests.host.temporary import remove_left_behind, remove_of_triton, temporary_files
from loadtests.records.atomic import replacing, whole_or_gone
from loadtests.records.run_folder import remove_unfinished

OWN = """
import subprocess, sys, tempfile, time
from loadtests.host.temporary import temporary_files
with temporary_files():
    folder = tempfile.mkdtemp(prefix="study-litserve-")
    code = "import tempfile; print(tempfile.gettempdir())"
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    print(folder, child.stdout.strip(), sep="|", flush=True)
    time.sleep(600)
"""
REPLACE = """
import sys, time
from pathlib import Path
from loadtests.records.atomic import replacing, whole_or_gone
folder = Path(sys.argv[1])
with replacing(folder / "manifest.json"), whole_or_gone(folder / "colocation-20260101-000000"):
    print("begun", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., tuple[subprocess.Popen[str], str]]]:
    """Another process, and the first line that it prints."""
    started: list[subprocess.Popen[str]] = []

    def begin(code: str, *arguments: str) -> tuple[subprocess.Popen[str], str]:
        process = subprocess.Popen(
            [sys.executable, "-c", code, *arguments],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "TMPDIR": str(tmp_path)},
        )
        started.append(process)
        assert process.stdout is not None
        return process, process.stdout.readline()

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def test_what_a_killed_study_left_goes_at_the_next_start_and_what_a_living_one_has_stays(
    start, tmp_path: Path
) -> None:
    killed, said = start(OWN)
    folder, of_child = (Path(part) for part in said.strip().split("|"))
    assert folder.parent == of_child
    assert of_child.parent == tmp_path
    remove_left_behind(tmp_path)
    assert folder.exists()
    killed.kill()
    killed.wait()
    assert folder.exists()
    _, later = start(OWN)
    assert not of_child.exists()
    assert Path(later.split("|")[0]).exists()


def test_a_study_that_ends_leaves_no_temporary_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with temporary_files():
        own = tempfile.mkdtemp()
        assert Path(own).parents[1] == tmp_path
    assert list(tmp_path.iterdir()) == []
    assert (tempfile.gettempdir(), os.environ["TMPDIR"]) == (str(tmp_path), str(tmp_path))


def test_a_folder_that_no_study_made_and_what_a_link_leads_to_are_left_alone(
    tmp_path: Path,
) -> None:
    parent, victim = tmp_path / "tmp", tmp_path / "victim"
    victim.mkdir()
    (victim / ".owner").touch()
    (parent / "study-notes").mkdir(parents=True)
    (parent / "study-link").symlink_to(victim)
    (parent / "study-planted").mkdir()
    (parent / "study-planted" / ".owner").symlink_to(victim / ".owner")
    (parent / "study-pipe").mkdir()
    os.mkfifo(parent / "study-pipe" / ".owner")
    remove_left_behind(parent)
    assert {path.name for path in parent.iterdir()} == {
        *("study-notes", "study-link", "study-planted", "study-pipe")
    }
    assert (victim / ".owner").exists()


def test_triton_s_empty_folders_go_once_no_triton_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty, used = tmp_path / "python_env_aBc123", tmp_path / "python_env_used00"
    for folder in (empty, used):
        folder.mkdir()
    (used / "bin").mkdir()
    (tmp_path / "python_env_link00").symlink_to(used / "bin")
    monkeypatch.setattr(temporary, "_triton_runs", lambda: True)
    remove_of_triton(tmp_path)
    assert empty.exists()
    monkeypatch.setattr(temporary, "_triton_runs", lambda: False)
    remove_of_triton(tmp_path)
    assert not empty.exists()
    assert (used / "bin").exists()


def test_half_replaced_files_and_half_written_results_of_a_killed_process_go(
    start, tmp_path: Path
) -> None:
    process, _ = start(REPLACE, str(tmp_path))
    begun = sorted(path.name for path in tmp_path.iterdir())
    assert len(begun) == 2
    remove_unfinished(tmp_path)
    with whole_or_gone(tmp_path / "colocation-20260102-000000") as (_, folder):
        pass
    assert folder.exists()
    folder.rmdir()
    assert sorted(path.name for path in tmp_path.iterdir()) == begun  # their owner lives
    process.kill()
    process.wait()
    kept = tmp_path / ".notes"
    kept.write_text("mine")
    remove_unfinished(tmp_path)
    with whole_or_gone(tmp_path / "colocation-20260102-000000"), replacing(tmp_path / "x"):
        pass
    assert {path.name for path in tmp_path.iterdir()} == {
        *(".notes", "colocation-20260102-000000", "x")
    }


def test_without_a_home_to_write_to_matplotlib_and_ipython_have_theirs_here(tmp_path: Path) -> None:
    code = (
        "from loadtests.host.temporary import temporary_files\n"
        "with temporary_files():\n"
        "    import matplotlib.pyplot\n"
        "    from IPython.paths import get_ipython_dir\n"
        "    print(matplotlib.get_configdir(), get_ipython_dir(), sep=chr(10))\n"
    )
    environment = {key: os.environ[key] for key in ("PATH", "PYTHONPATH") if key in os.environ}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**environment, "TMPDIR": str(tmp_path), "HOME": "/proc/nobody"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    assert all(path.startswith(f"{tmp_path}/study-") for path in done.stdout.splitlines())
