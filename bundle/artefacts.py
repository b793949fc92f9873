"""The models that travel ready-made."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from bundle.errors import BundleError

SIZES = ("small", "base")


def read_sizes(text: str) -> list[str]:
    """The sizes in a comma-separated text."""
    sizes = [size.strip() for size in text.split(",")]
    unknown = [size for size in sizes if size not in SIZES]
    if unknown:
        raise BundleError(
            f"expected --artefacts {', '.join(SIZES)} or both with a comma, found {unknown[0]!r}: "
            "choose from these, or give --no-artefacts."
        )
    return sizes


def built_models(sizes: Sequence[str], project: Path, cache: Path, seed: int) -> dict[str, Path]:
    """The folder of each size's model, made by project's code or found in cache."""
    return {size: _build(size, project, cache, seed) for size in sizes}


def _build(size: str, project: Path, cache: Path, seed: int) -> Path:
    command = [
        *(sys.executable, "-m", "servers.classifier", "build", "--model", size),
        *("--cache", str(cache.resolve()), "--seed", str(seed)),
    ]
    packed = {**os.environ, "PYTHONPATH": str(project.resolve())}  # not the code that runs here
    done = subprocess.run(command, cwd=project, env=packed, stdout=subprocess.PIPE, check=False)
    if done.returncode:
        raise BundleError(
            f"expected the model {size} to be built, found exit code {done.returncode}: what was "
            "printed above says what to correct, or give --no-artefacts."
        )
    return Path(json.loads(done.stdout)["model_dir"])
