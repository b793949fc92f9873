import hashlib
import subprocess
import sys
import tarfile
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
from packaging.version import Version

from bundle.gather import Contents
from bundle.pack import write_bundle
from bundle.stand_in import Packages
from bundle.target import read_target

PART_BYTES = 10_239  # one byte less than tar writes at once
RunInstall = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def contents(tmp_path: Path, here_python: str) -> Contents:
    """A project of one file, a model elsewhere, and a host that has one package."""
    folder = tmp_path / "study-bundle"
    (folder / "artefacts").mkdir(parents=True)
    with tarfile.open(folder / "project.tar", "w") as tar:
        tar.add(__file__, "study.py")
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.json").write_text("{}")
    (folder / "artefacts" / "small").symlink_to(tmp_path / "model")
    return Contents(
        folder=folder,
        target=read_target(here_python, "manylinux_2_35_x86_64"),
        packages=Packages({}, {"pytest": Version("9")}),
        host={},
        commit="0123456789ab",
        changed_files=0,
    )


@pytest.fixture
def install() -> RunInstall:
    def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = ["sh", str(folder / "install.sh"), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    return run


def test_parts_are_at_most_as_large_as_asked_and_join_to_the_archive(
    contents: Contents, tmp_path: Path
) -> None:
    folder = write_bundle(contents, tmp_path / "dist", PART_BYTES)
    parts = sorted(folder.glob("study-bundle.tar.part-*"))
    assert [path.stat().st_size for path in parts[:-1]] == [PART_BYTES] * (len(parts) - 1)
    assert 0 < parts[-1].stat().st_size <= PART_BYTES
    joined = b"".join(path.read_bytes() for path in parts)
    whole = write_bundle(contents, tmp_path / "whole", None) / "study-bundle.tar"
    with tarfile.open(fileobj=BytesIO(joined)) as tar, tarfile.open(whole) as expected:
        assert tar.getnames() == expected.getnames()
        assert "study-bundle/install.sh" in tar.getnames()
        assert tar.getmember("study-bundle/artefacts/small/model.json").isfile()


def test_the_checksums_are_those_of_the_parts(contents: Contents, tmp_path: Path) -> None:
    folder = write_bundle(contents, tmp_path / "dist", PART_BYTES)
    expected = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}"
        for path in sorted(folder.glob("*.part-*"))
    ]
    assert (folder / "SHA256SUMS").read_text().splitlines() == expected


def test_a_second_bundle_replaces_the_first(contents: Contents, tmp_path: Path) -> None:
    write_bundle(contents, tmp_path / "dist", PART_BYTES)
    folder = write_bundle(contents, tmp_path / "dist", None)
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["SHA256SUMS", "install.sh", "study-bundle.tar"]
    assert [path.name for path in (tmp_path / "dist").iterdir()] == [folder.name]


def test_parts_that_are_missing_or_damaged_are_named(
    contents: Contents, tmp_path: Path, install: RunInstall
) -> None:
    folder = write_bundle(contents, tmp_path / "dist", PART_BYTES)
    (folder / "study-bundle.tar.part-002").unlink()
    (folder / "study-bundle.tar.part-001").write_bytes(b"x" * PART_BYTES)
    done = install(folder, "--python", sys.executable)
    assert done.returncode == 2
    assert "study-bundle.tar.part-001: FAILED" in done.stderr
    assert "study-bundle.tar.part-002: FAILED open or read" in done.stderr
    assert not (folder / "study-bundle").exists()


def test_a_host_without_what_its_list_promised_is_told_so(
    contents: Contents, tmp_path: Path, install: RunInstall
) -> None:
    promised = replace(contents, packages=Packages({}, {"no-such-package": None}))
    folder = write_bundle(promised, tmp_path / "dist", None)
    done = install(folder, "--python", sys.executable)
    assert done.returncode == 2
    assert "install.sh: expected no-such-package on " in done.stderr
    assert not (folder / "study-bundle" / "venv").exists()


def test_another_python_than_the_bundle_is_for_is_refused(
    contents: Contents, tmp_path: Path, install: RunInstall
) -> None:
    folder = write_bundle(contents, tmp_path / "dist", None)
    other = tmp_path / "python"
    other.write_text("#!/bin/sh\necho 3.9\n")
    other.chmod(0o755)
    done = install(folder, "--into", str(other))
    assert done.returncode == 2
    assert f"found 3.9 in {other}" in done.stderr
