"""A full disk is nobody's fault but the disk's."""

import errno
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from loadtests.host.disk import ROOM_BYTES, require_room

NO_SPACE = os.strerror(errno.ENOSPC)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    options = ["-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    if subprocess.run(["mount", *options], capture_output=True, check=False).returncode:
        pytest.skip("mounting a file system is not permitted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_disk_with_less_room_than_a_small_file_is_full(disk: Path) -> None:
    require_room(disk)
    (disk / "filler").write_bytes(b"\0" * (256 * 1024 - ROOM_BYTES // 2))
    with pytest.raises(OSError, match=NO_SPACE) as full:
        require_room(disk)
    assert full.value.filename == str(disk)
    assert [path.name for path in disk.iterdir()] == ["filler"]


def test_a_process_that_found_no_room_shows_a_full_disk_where_there_is_room_again(
    tmp_path: Path,
) -> None:
    require_room(tmp_path, ["it failed", "for another reason"])
    with pytest.raises(OSError, match=NO_SPACE) as full:
        require_room(tmp_path, ["Traceback", f"OSError: [Errno 28] {NO_SPACE}"])
    assert full.value.filename == str(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_found_no_room_for_its_files_names_the_temporary_folder(
    tmp_path: Path, disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(disk))
    (disk / "filler").write_bytes(b"\0" * (256 * 1024))
    with pytest.raises(OSError, match=NO_SPACE) as full:
        require_room(tmp_path, [f"cannot write the repository: {NO_SPACE}"])
    assert full.value.filename == str(disk)
