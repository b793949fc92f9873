"""The Triton server binary that the nvidia-pytriton wheel carries, made runnable on its own."""

import ctypes
import os
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
LIBPYTHON = f"libpython{PYTHON}.so.1.0"


class InstallationError(RuntimeError):
    """The Triton binary, or a library it needs, is not on this machine."""


@dataclass(frozen=True)
class Installation:
    """What it takes to start tritonserver: its binary, a backend folder, its environment."""

    binary: Path
    backends_dir: Path
    environment: Mapping[str, str]


def prepare_installation(target: Path) -> Installation:
    """Links Triton's Python backend and libraries into target, a new folder.

    Links do: the libraries are found through LD_LIBRARY_PATH, and a program that is started
    through a link looks beside its real file for those it brings along.
    """
    package = _package_dir()
    server = package / "tritonserver"
    backend_dir = target / "backends" / "python"
    backend_dir.mkdir(parents=True)
    for source in (
        server / "backends/python/libtriton_python.so",
        server / "backends/python/triton_python_backend_utils.py",
        server / "python_backend_stubs" / PYTHON / "triton_python_backend_stub",
    ):
        if not source.exists():
            raise InstallationError(
                f"expected {source}, found none: install nvidia-pytriton==0.7.0 for "
                f"Python {PYTHON}."
            )
        (backend_dir / source.name).symlink_to(source)
    libraries = target / "lib"
    libraries.mkdir()
    _link_libpython(libraries)
    return Installation(
        binary=server / "bin" / "tritonserver",
        backends_dir=target / "backends",
        environment=_environment([libraries, package.parent / "nvidia_pytriton.libs"]),
    )


def _package_dir() -> Path:
    spec = find_spec("pytriton")  # found, not imported: only its files are used
    if spec is None or spec.origin is None:
        raise InstallationError(
            "expected the package nvidia-pytriton, found none: it carries the Triton server "
            "binary (Linux x86-64, glibc 2.35 or newer); pip install nvidia-pytriton==0.7.0."
        )
    return Path(spec.origin).parent


def _link_libpython(libraries: Path) -> None:
    """The shared library of this very interpreter, which Triton's Python stub embeds."""
    folders = [Path(sysconfig.get_config_var("LIBDIR") or "/"), Path(sys.base_prefix) / "lib"]
    for folder in folders:
        if (folder / LIBPYTHON).exists():
            # Linked alone: the rest of that folder could replace libraries that Triton brings.
            (libraries / LIBPYTHON).symlink_to(folder / LIBPYTHON)
            return
    try:
        ctypes.CDLL(LIBPYTHON)  # where the loader finds it, so will the stub
    except OSError:
        raise InstallationError(
            f"expected {LIBPYTHON} in {' or '.join(map(str, folders))}, found none: use a Python "
            "built with --enable-shared, or install its libpython package."
        ) from None


def _environment(library_dirs: list[Path]) -> dict[str, str]:
    """The stub's interpreter finds this one's packages by looking for python3 on the PATH."""
    inherited = dict(os.environ)
    libraries = [*map(str, library_dirs), inherited.get("LD_LIBRARY_PATH", "")]
    return inherited | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{inherited.get('PATH', os.defpath)}",
        "LD_LIBRARY_PATH": os.pathsep.join(filter(None, libraries)),
        "PYTHONNOUSERSITE": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
