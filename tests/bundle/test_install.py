"""A bundle made here and installed beside this Python, with no package index in reach."""

import shlex
import subprocess
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import pytest

from bundle.errors import BundleError
from bundle.gather import gathered
from bundle.pack import write_bundle
from bundle.target import read_target
from loadtests.launch.artefacts import Artefacts
from loadtests.run.manifest import describe_git

LACKING = {"hpack", "jupytext"}
WITH_EXTRAS = {"uvicorn", "tritonclient"}


@dataclass(frozen=True)
class Installed:
    """folder: the unpacked bundle; said: what the script printed, both times."""

    folder: Path
    said: tuple[str, str]


@pytest.fixture(scope="module")
def installed(
    committed: Path,
    artefacts: Artefacts,
    study_seed: int,
    here_python: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Installed:
    """Everything is packed from here, except that this Python is said to lack two packages."""
    here = tmp_path_factory.mktemp("bundle")
    cache = here / "cache"
    cache.mkdir()
    (cache / "artefacts").symlink_to(artefacts.model_dir.parent)
    have = here / "freeze.txt"
    there = {one.name: one.version for one in metadata.distributions()}
    have.write_text("".join(f"{n}=={v}\n" for n, v in there.items() if n not in LACKING))
    gathering = gathered(
        root=committed,
        cache=cache,
        target=read_target(here_python, "manylinux_2_35_x86_64"),
        have=have,
        extras=[],
        models=["small"],
        seed=study_seed,
    )
    try:
        with gathering as contents:
            folder = write_bundle(contents, here / "dist", 1 << 22)
    except BundleError as error:
        if "pip reaches its index" not in str(error):
            raise
        pytest.skip(f"pip does not reach its index: {error}")
    offline = {"PATH": "/usr/bin:/bin", "PIP_INDEX_URL": "http://127.0.0.1:9/simple"}
    said = []
    for _ in range(2):
        done = subprocess.run(
            ["sh", str(folder / "install.sh"), "--python", sys.executable],
            env=offline,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        said.append(done.stdout)
    return Installed(folder / "study-bundle", (said[0], said[1]))


def test_only_what_the_python_lacks_or_may_have_without_extras_is_installed(
    installed: Installed, here_python: str
) -> None:
    site = installed.folder / "venv" / "lib" / f"python{here_python}" / "site-packages"
    packages = {path.name.partition("-")[0] for path in site.glob("*.dist-info")}
    assert packages == LACKING | WITH_EXTRAS


def test_the_installed_command_runs_the_project_of_the_bundle(installed: Installed) -> None:
    done = subprocess.run(
        [str(installed.folder / "study"), "list"], capture_output=True, text=True, check=True
    )
    assert "fastapi-tuned" in done.stdout


def test_the_model_is_where_the_study_looks_for_it(
    installed: Installed, artefacts: Artefacts
) -> None:
    found = installed.folder / "project" / ".cache" / "artefacts" / artefacts.model_dir.name
    assert (found / "model.onnx").read_bytes() == (artefacts.model_dir / "model.onnx").read_bytes()


def test_the_script_may_be_run_again_and_ends_with_two_commands(installed: Installed) -> None:
    assert "the project is there already" in installed.said[1]
    for said in installed.said:
        smoke, run = (line.strip() for line in said.splitlines()[-2:])
        command = str(installed.folder / "study")
        assert shlex.split(smoke) == [command, "smoke"]
        assert shlex.split(run) == [command, "run", "default"]


def test_a_run_on_the_target_names_the_commit_that_was_packed(
    installed: Installed, committed: Path
) -> None:
    head = subprocess.run(
        ["git", "-C", str(committed), "rev-parse", "HEAD"],
        capture_output=True,
        text=True,
        check=True,
    )
    found = describe_git(installed.folder / "project" / "loadtests")
    assert found == {"commit": head.stdout.strip(), "dirty": None}
