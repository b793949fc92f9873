"""Collects what goes into a bundle, in one folder: decided and fetched, not yet packed."""

import json
import os
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bundle.errors import BundleError
from bundle.freeze import Host, read_freeze
from bundle.stand_in import Packages, StandIn
from bundle.target import Target
from bundle.wanted import needs_triton_numpy, project_requirements, read_pins

SIZES = ("small", "base")


@dataclass(frozen=True)
class Contents:
    """What a bundle holds, in folder. host: what the target has; changed_files: those that HEAD
    does not have as they are, so that they are not in project.tar."""

    folder: Path
    target: Target
    packages: Packages
    host: Host
    commit: str
    changed_files: int


@contextmanager
def gathered(
    *,
    root: Path,
    cache: Path,
    target: Target,
    have: Path | None,
    extras: Sequence[str],
    models: Sequence[str],
    seed: int,
) -> Iterator[Contents]:
    """The contents, in a folder of cache that is gone afterwards; have is the target's pip freeze,
    None an empty Python. Raises BundleError."""
    host = read_freeze(have) if have else {}
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bundle-", dir=cache.resolve()) as own:
        folder, project = Path(own) / "study-bundle", Path(own) / "project"
        (folder / "artefacts").mkdir(parents=True)
        archive = folder / "project.tar"
        _git(root, "archive", "--format=tar", f"--output={archive}", "HEAD")
        with tarfile.open(archive) as tar:
            tar.extractall(project, filter="data")
        pyproject = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))
        requirements = project_requirements(pyproject, extras, target)
        pins = read_pins((project / "constraints.txt").read_text(encoding="utf-8"), target)
        stand_in = StandIn(Path(own) / "stand-in", target)
        stand_in.make()
        packages = stand_in.resolve(requirements, pins, host)
        stand_in.download(packages.packed, folder / "wheels")
        if needs_triton_numpy(requirements, host):
            stand_in.download({"numpy": pins["numpy"]}, folder / "triton-wheels")
        for size in models:
            model = _built_model(size, project, cache.resolve() / "artefacts", seed)
            (folder / "artefacts" / size).symlink_to(model)
        commit = _git(root, "rev-parse", "HEAD")
        changed = _git(root, "status", "--porcelain").splitlines()
        yield Contents(folder, target, packages, host, commit, len(changed))


def read_sizes(text: str) -> list[str]:
    """The sizes of models in a comma-separated text."""
    sizes = [size.strip() for size in text.split(",")]
    unknown = [size for size in sizes if size not in SIZES]
    if unknown:
        raise BundleError(
            f"expected --artefacts {', '.join(SIZES)} or both with a comma, found {unknown[0]!r}: "
            "choose from these, or give --no-artefacts."
        )
    return sizes


def _built_model(size: str, project: Path, cache: Path, seed: int) -> Path:
    """Its folder, made by project's code or found in cache."""
    command = (
        *(sys.executable, "-m", "servers.classifier", "build", "--model", size),
        *("--cache", str(cache), "--seed", str(seed)),
    )
    packed = {**os.environ, "PYTHONPATH": str(project)}  # not the code that runs here
    done = subprocess.run(command, cwd=project, env=packed, stdout=subprocess.PIPE, check=False)
    if done.returncode:
        raise BundleError(
            f"expected the model {size} to be built, found exit code {done.returncode}: what was "
            "printed above says what to correct, or give --no-artefacts."
        )
    return Path(json.loads(done.stdout)["model_dir"])


def _git(root: Path, *arguments: str) -> str:
    # Whoever runs code from this folder trusts it, whoever owns it.
    command = ("git", "-c", "safe.directory=*", "-C", str(root), *arguments)
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise BundleError("expected git on the PATH, found none: install it.") from None
    if done.returncode:
        raise BundleError(
            f"expected a git checkout with a commit in {root}, found: "
            f"{done.stderr.strip() or done.returncode}: make the bundle from a clone."
        )
    return done.stdout.strip()
