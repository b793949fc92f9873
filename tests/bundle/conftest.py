"""A target without a network, on this machine: wheels made of what is installed."""

import csv
import io
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest

ADDED_BY_PIP = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json")
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


@pytest.fixture(scope="session")
def here_python() -> str:
    """The running Python as `3.11`."""
    return PYTHON


@pytest.fixture(scope="session")
def make_wheel() -> Callable[[str, Path], Path]:
    """Packs an installed pure package as a wheel again, into a folder."""

    def make(name: str, folder: Path) -> Path:
        distribution = metadata.distribution(name)
        stem = f"{name.replace('-', '_')}-{distribution.version}"
        wheel = folder / f"{stem}-py3-none-any.whl"
        record = io.StringIO()
        with zipfile.ZipFile(wheel, "w") as archive:
            for file in distribution.files or []:
                inside = file.as_posix()
                if file.parts[0].endswith(".dist-info"):
                    inside = f"{stem}.dist-info/{file.name}"
                if ".." in file.parts or file.suffix == ".pyc" or file.name in ADDED_BY_PIP:
                    continue
                archive.writestr(inside, file.read_binary())
                csv.writer(record).writerow([inside, "", ""])
            archive.writestr(f"{stem}.dist-info/RECORD", record.getvalue())
        return wheel

    return make


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all that pip can fetch from."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_FIND_LINKS", folder.as_uri())  # pip splits the variable at blanks
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    return folder


@pytest.fixture(scope="session")
def committed(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project as it lies here, committed in a repository of its own."""
    folder = tmp_path_factory.mktemp("committed") / "project"
    trusted = ["-c", "safe.directory=*"]  # the clone may be another user's
    listed = subprocess.run(
        ["git", *trusted, "-C", str(root), "ls-files", "-z", "-co", "--exclude-standard"],
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (root / name).is_file() and not name.startswith("results/"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(root / name, folder / name)
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "as it lies here"]):
        identity = ["-c", "user.name=suite", "-c", "user.email=suite@localhost"]
        subprocess.run(["git", "-C", str(folder), *identity, *command], check=True)
    return folder
