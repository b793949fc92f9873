"""Targets without a network, on this machine: wheels that hold nothing but metadata."""

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from email import message_from_string
from functools import cache
from importlib import metadata
from pathlib import Path

import pytest

from bundle.errors import BundleError
from bundle.freeze import Host
from bundle.stand_in import Packages, StandIn
from bundle.target import read_target
from bundle.wanted import project_requirements, read_pins

OLDER_PATCHES_NEED = ("async-timeout",)
"""Packages that only Python 3.11.0 to 3.11.2 need. A bundle for 3.11 has them: it cannot know the
target's patch."""


@pytest.fixture(scope="session")
def here_python() -> str:
    """The running Python as `3.11`."""
    return f"{sys.version_info.major}.{sys.version_info.minor}"


@pytest.fixture(scope="session")
def bare_wheel() -> Callable[..., Path]:
    """Writes a wheel that holds nothing but its metadata, into a folder."""

    def write(folder: Path, metadata_text: str, tag: str = "py3-none-any") -> Path:
        about = message_from_string(metadata_text)
        stem = f"{about['Name'].replace('-', '_')}-{about['Version']}"
        wheel = folder / f"{stem}-{tag}.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            archive.writestr(f"{stem}.dist-info/METADATA", metadata_text)
            archive.writestr(f"{stem}.dist-info/WHEEL", f"Wheel-Version: 1.0\nTag: {tag}\n")
        return wheel

    return write


@pytest.fixture(scope="session")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], StandIn]:
    """That of a target with the given Python, made once."""

    @cache
    def make(python: str) -> StandIn:
        folder = tmp_path_factory.mktemp("stand-in") / python
        made = StandIn(folder, read_target(python, "manylinux_2_35_x86_64"))
        try:
            made.make()
        except BundleError as error:
            pytest.skip(f"pip does not reach its index: {error}")
        return made

    return make


@pytest.fixture(scope="session")
def only_from() -> Callable[[Path], AbstractContextManager[None]]:
    """Within it, a folder is all that pip can fetch from."""

    @contextmanager
    def only(folder: Path) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PIP_NO_INDEX", "1")
            patch.setenv("PIP_FIND_LINKS", folder.as_uri())  # pip splits the variable at blanks
            patch.setenv("PIP_CONFIG_FILE", "/dev/null")
            yield

    return only


@pytest.fixture(scope="session")
def asked_here(
    root: Path,
    stand_in: Callable[[str], StandIn],
    only_from: Callable[[Path], AbstractContextManager[None]],
    bare_wheel: Callable[..., Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[str, Host], Packages]:
    """What the project needs on a Python with what a host has, in the versions installed here; what
    only an older patch of this Python needs, in the version pinned."""
    folder = tmp_path_factory.mktemp("installed")
    for distribution in metadata.distributions():
        about = distribution.read_text("METADATA")
        if about:  # an editable install leaves an egg-info beside the sources, too
            bare_wheel(folder, about)
    pyproject = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    constraints = (root / "constraints.txt").read_text(encoding="utf-8")
    for name in OLDER_PATCHES_NEED:
        version = re.search(rf"^{name}==(\S+)$", constraints, re.MULTILINE)
        assert version, name
        text = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version[1]}\n"
        bare_wheel(folder, text)

    def resolve(python: str, host: Host) -> Packages:
        chosen = stand_in(python)
        with only_from(folder):
            return chosen.resolve(
                project_requirements(pyproject, (), chosen.target),
                read_pins(constraints, chosen.target),
                host,
            )

    return resolve


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
