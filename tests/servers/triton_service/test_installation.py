"""What Triton's Python processes find: their numpy, this project, the packages of this process."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from servers.triton_service.installation import (
    SITE_VARIABLE,
    UNUSABLE,
    byte_tensors_work,
    prepare_installation,
    stub_numpy,
)


def site_with_numpy(folder: Path, version: str) -> Path:
    """A folder of packages that says it holds this numpy, and a module to tell it by."""
    metadata = folder / f"numpy-{version}.dist-info" / "METADATA"
    metadata.parent.mkdir(parents=True)
    metadata.write_text(f"Metadata-Version: 2.1\nName: numpy\nVersion: {version}\n")
    (folder / "only_for_stubs.py").touch()
    return folder


@pytest.mark.parametrize(("version", "works"), [("1.26.4", True), ("2.4.6", False)])
def test_the_numpy_of_the_stubs_own_folder_decides_whether_texts_can_be_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, works: bool
) -> None:
    monkeypatch.setenv(SITE_VARIABLE, str(site_with_numpy(tmp_path, version)))

    assert (stub_numpy(), byte_tensors_work()) == (version, works)


@pytest.mark.parametrize("given", ["", "/no/such/folder"])
def test_without_such_a_folder_it_is_the_numpy_of_this_process(
    monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    monkeypatch.setenv(SITE_VARIABLE, given)

    assert stub_numpy() == np.__version__


def test_a_stub_looks_into_its_own_folder_first_then_where_this_process_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = site_with_numpy(tmp_path / "site", "1.26.4")
    monkeypatch.setenv(SITE_VARIABLE, str(site))
    environment = prepare_installation(tmp_path / "triton").environment
    first_on_path = environment["PATH"].split(":")[0]

    # As isolated as the stub's interpreter is: no PYTHONPATH, no working folder on the path.
    code = "import sys, only_for_stubs, servers, numpy; print(*sys.path, sep='\\n')"
    found = subprocess.run(
        [f"{first_on_path}/python3", "-I", "-c", code],
        cwd="/",
        capture_output=True,
        text=True,
        check=True,
    )

    folders = [Path(folder).resolve() for folder in found.stdout.splitlines()]
    packages = [Path(folder).resolve() for folder in sys.path if folder.endswith("site-packages")]
    assert packages
    assert folders.index(site.resolve()) < min(folders.index(folder) for folder in packages)


@pytest.mark.parametrize("foreign_numpy", [False, True])
def test_beside_another_numpy_a_stub_sees_no_package_that_fails_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, foreign_numpy: bool
) -> None:
    site = site_with_numpy(tmp_path / "site", "1.26.4")
    monkeypatch.setenv(SITE_VARIABLE, str(site) if foreign_numpy else "")
    environment = prepare_installation(tmp_path / "triton").environment

    # transformers asks find_spec before it imports what it can do without.
    code = (
        f"from importlib.util import find_spec; print([find_spec(n) is None for n in {UNUSABLE}])"
    )
    python = f"{environment['PATH'].split(':')[0]}/python3"
    found = subprocess.run([python, "-I", "-c", code], capture_output=True, text=True, check=True)

    here = [find_spec(name) is None for name in UNUSABLE]
    assert not all(here)
    assert found.stdout.strip() == str([True] * len(UNUSABLE) if foreign_numpy else here)


def test_folders_that_an_ascii_interpreter_cannot_name_are_found_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = site_with_numpy(tmp_path / "é 张:" / "site", "1.26.4")
    monkeypatch.setenv(SITE_VARIABLE, str(site))
    environment = prepare_installation(tmp_path / "triton").environment

    ascii_only = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    python = f"{environment['PATH'].split(':')[0]}/python3"
    subprocess.run(
        [python, "-I", "-c", "import only_for_stubs, servers, numpy"],
        env=environment | ascii_only,
        cwd="/",
        check=True,
    )


def test_the_installed_package_is_not_linked_so_that_none_of_its_files_can_change(
    tmp_path: Path,
) -> None:
    backend = prepare_installation(tmp_path / "triton").backends_dir / "python"

    assert [path.name for path in backend.iterdir() if path.is_symlink()] == []
    stub = backend / "triton_python_backend_stub"
    assert stub.stat().st_nlink == 1
    assert os.access(stub, os.X_OK)
