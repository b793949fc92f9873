"""What a run was made of: machine, versions, git state, digests. Written before the first trial."""

import hashlib
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil

from loadtests.host.nvml import Gpu
from loadtests.launch.artefacts import Artefacts
from loadtests.records.stored import SCHEMA_VERSION
from loadtests.run.os_limits import limits_in_force
from loadtests.spec.experiment import Experiment
from loadtests.spec.inputs import without_places
from servers.cpu_model import cpu_model
from servers.engines import ENGINES

PACKAGES = (
    *("fastapi", "gevent", "geventhttpclient", "grpcio", "litserve", "locust", "numpy"),
    *("nvidia-pytriton", "tokenizers", "transformers", "tritonclient", "uvicorn"),
    *(kind.library for kind in ENGINES.values()),
)

SAME_ON_RESUME = ("experiment", "machine", "versions", "model", "traffic", "cores")
"""A run is continued only where these are unchanged: its trials must stay comparable."""


def describe_run(
    experiment: Experiment,
    artefacts: Artefacts,
    cores: Mapping[str, Sequence[int]],
    command: str,
    now: datetime,
) -> dict[str, Any]:
    """The manifest of a run that starts now."""
    described = experiment.model_dump(mode="json")
    digest = hashlib.sha256(repr(sorted(described.items())).encode()).hexdigest()
    return {
        **describe_measurement(command, cores, now),
        "run_id": f"{experiment.name}-{now:%Y%m%d-%H%M%S}-{digest[:6]}",
        "finished_at": None,
        "experiment": described,
        "model": dict(artefacts.model),
        "traffic": dict(artefacts.traffic),
    }


def describe_measurement(
    command: str, cores: Mapping[str, Sequence[int]], now: datetime
) -> dict[str, Any]:
    """What the file of every measurement begins with."""
    return {
        "schema_version": SCHEMA_VERSION,
        "created_at": now.isoformat(timespec="seconds"),
        "command": command,
        "machine": describe_machine(),
        "limits": asdict(limits_in_force()),
        "versions": installed_versions(),
        "git": describe_git(Path(__file__).parent),
        "cores": {role: list(numbers) for role, numbers in cores.items()},
    }


def installed_versions() -> dict[str, str | None]:
    """Versions of PACKAGES, for a GPU where only that build is there; None: not installed."""
    return {name: _version(name) or _version(f"{name}-gpu") for name in PACKAGES}


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:  # the embedded Triton, on a Python without it
        return None


def describe_machine() -> dict[str, Any]:
    gpu = Gpu.find()
    return {
        "platform": platform.platform(),
        "cpu_model": cpu_model(),
        "cpu_count": psutil.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "gpu": gpu.describe() if gpu else None,
        "python": platform.python_version(),
    }


def describe_git(folder: Path) -> dict[str, Any]:
    """Commit and whether files differ from it; nulls outside a git checkout. Where `study bundle`
    brought the project, the commit is the one it packed, and nobody knows what was changed since.
    """

    def git(*arguments: str) -> str | None:
        try:
            done = subprocess.run(
                # Whoever runs code from this folder trusts it, whoever owns it.
                ["git", "-c", "safe.directory=*", "-C", str(folder), *arguments],
                capture_output=True,
                text=True,
                check=False,
            )
        except FileNotFoundError:
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    packed = folder.parent / ".commit"
    if packed.is_file():
        return {"commit": packed.read_text(encoding="utf-8").strip(), "dirty": None}
    changes = git("status", "--porcelain")
    return {"commit": git("rev-parse", "HEAD"), "dirty": None if changes is None else bool(changes)}


def changed_since(before: Mapping[str, Any], now: Mapping[str, Any]) -> str | None:
    """The first part of SAME_ON_RESUME that differs, as `found now X, the run has Y`."""
    for part in SAME_ON_RESUME:
        then, found = before.get(part), now[part]
        if part == "experiment" and then is not None:
            then, found = without_places(then), without_places(found)
        if then != found:
            return f"{part}: found now {_differing(found, then)}"
    return None


def _differing(now: Mapping[str, Any], before: Any) -> str:
    if not isinstance(before, Mapping):
        return f"some, the run has {before!r}"
    for key in before.keys() | now.keys():
        if before.get(key) != now.get(key):
            return f"{key} = {now.get(key)!r}, the run has {before.get(key)!r}"
    return "a difference"
