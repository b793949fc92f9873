"""Collects what goes into a bundle: decided and fetched, not yet packed."""

import tempfile
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement

from bundle.artefacts import built_models
from bundle.closure import Closure, Release, close
from bundle.freeze import Host, read_freeze
from bundle.project import archive_head, changed_files, unpack
from bundle.target import Target
from bundle.wanted import TRITON_NUMPY, needs_triton_numpy, project_requirements, read_pins
from bundle.wheels import WheelFolder


@dataclass(frozen=True)
class Order:
    """What is asked for. cache keeps wheels and models; have is the target's pip freeze, None an
    empty Python."""

    root: Path
    cache: Path
    target: Target
    have: Path | None
    extras: Sequence[str]
    models: Sequence[str]
    seed: int


@dataclass(frozen=True)
class Contents:
    """What a bundle holds. host: what the target has; changed_files: those that HEAD does not have
    as they are, so that they are not in project_tar."""

    target: Target
    closure: Closure
    host: Host
    triton_numpy: Release | None
    project_tar: Path
    commit: str
    changed_files: int
    models: Mapping[str, Path]


@contextmanager
def gathered(order: Order) -> Iterator[Contents]:
    """The contents; those that are not cached are gone afterwards. Raises BundleError."""
    host = read_freeze(order.have) if order.have else {}
    with tempfile.TemporaryDirectory(prefix="study-bundle-") as folder:
        tar = Path(folder) / "project.tar"
        project = Path(folder) / "project"
        commit = archive_head(order.root, tar)
        unpack(tar, project)
        closure, triton_numpy = _packages(order, project, host)
        yield Contents(
            target=order.target,
            closure=closure,
            host=host,
            triton_numpy=triton_numpy,
            project_tar=tar,
            commit=commit,
            changed_files=changed_files(order.root),
            models=built_models(order.models, project, order.cache / "artefacts", order.seed),
        )


def _packages(order: Order, project: Path, host: Host) -> tuple[Closure, Release | None]:
    """As the committed files ask for them."""
    pyproject = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))
    pins = read_pins((project / "constraints.txt").read_text(encoding="utf-8"), order.target)
    requirements = project_requirements(pyproject, order.extras, order.target)
    wheels = WheelFolder(order.cache / "wheels", order.target, pins)
    closure = close(requirements, host, order.target.markers, wheels.fetch)
    if not needs_triton_numpy(requirements, host):
        return closure, None
    numpy = Requirement(TRITON_NUMPY)
    own = WheelFolder(wheels.folder, order.target, {})
    return closure, own.fetch({numpy.name: numpy.specifier})[numpy.name]
