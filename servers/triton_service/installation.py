"""The Triton server binary that the nvidia-pytriton wheel carries, made runnable on its own."""

import ctypes
import os
import shutil
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from servers.triton_service.plain_paths import InstallationError, plain_path

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
LIBPYTHON = f"libpython{PYTHON}.so.1.0"


SITE_VARIABLE = "STUDY_TRITON_SITE"
"""Environment variable: a folder of packages that only Triton's Python processes see, before all
others. With numpy 1.26 in it they take texts on a host whose own numpy is 2."""

UNUSABLE = ("pandas", "pyarrow", "scipy", "sklearn")
"""Packages of the host that fail with another numpy than the one they were built for, and that
transformers imports where it finds them; no model served here needs them."""

PROJECT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Installation:
    """What it takes to start tritonserver: its binary, a backend folder, its environment."""

    binary: Path
    backends_dir: Path
    environment: Mapping[str, str]


def prepare_installation(target: Path) -> Installation:
    """Puts Triton's Python backend into target, a new folder with a plain name.

    Copies, not links: Triton makes the stub executable where it is not, or where it cannot tell,
    and through a link would do so to the file of the installed package.
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
        shutil.copyfile(source, backend_dir / source.name)
    (backend_dir / "triton_python_backend_stub").chmod(0o755)
    links = target / "links"
    own_libraries = plain_path(package.parent / "nvidia_pytriton.libs", links)
    libraries = target / "lib"
    libraries.mkdir()
    _link_libpython(libraries)
    return Installation(
        binary=server / "bin" / "tritonserver",
        backends_dir=target / "backends",
        environment=_environment(_make_python(target / "python", links), [libraries, own_libraries])
        | {"TMPDIR": str(target)},  # it leaves an empty folder there when it is killed
    )


def stub_numpy() -> str:
    """The version of the numpy that Triton's Python processes import."""
    site = _stub_site()
    own = metadata.distributions(name="numpy", path=[str(site)]) if site else ()
    return next((found.version for found in own), None) or metadata.version("numpy")


def byte_tensors_work() -> bool:
    """Whether texts can be sent to Triton's Python processes: 2.51 was built for numpy 1, and ends
    the request of a byte tensor with numpy 2."""
    return int(stub_numpy().split(".")[0]) < 2


def _stub_site() -> Path | None:
    given = os.environ.get(SITE_VARIABLE)
    return Path(given) if given and Path(given).is_dir() else None


def installed_caches() -> Path:
    """The folder of Triton's response caches, for --cache-directory."""
    return _package_dir() / "tritonserver" / "caches"


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


def _make_python(target: Path, links: Path) -> Path:
    """A virtual environment for Triton's stubs: what this process can import, after the packages
    meant for them alone. Returns the folder to put on the PATH.

    A stub's interpreter is isolated: it ignores PYTHONPATH, and finds its packages only through
    the python3 that comes first on the PATH.
    """
    bin_dir = target / "bin"
    packages = target / "lib" / f"python{PYTHON}" / "site-packages"
    bin_dir.mkdir(parents=True)
    packages.mkdir(parents=True)
    (bin_dir / "python3").symlink_to(sys.executable)
    home = plain_path(Path(sys.base_prefix), links)
    (target / "pyvenv.cfg").write_text(f"home = {home}/bin\n", encoding="ascii")
    folders = [Path(folder).absolute() for folder in (_stub_site(), PROJECT, *sys.path) if folder]
    lines = [str(plain_path(folder, links)) for folder in folders]
    if _stub_site():
        # None in sys.modules is Python's own word for a package that is not there.
        lines.append(f"import sys; sys.modules.update(dict.fromkeys({UNUSABLE}))")
    (packages / "study.pth").write_text("\n".join(lines) + "\n", encoding="ascii")
    return bin_dir


def _environment(bin_dir: Path, library_dirs: list[Path]) -> dict[str, str]:
    inherited = dict(os.environ)
    libraries = [*map(str, library_dirs), inherited.get("LD_LIBRARY_PATH", "")]
    return inherited | {
        "PATH": f"{bin_dir}{os.pathsep}{inherited.get('PATH', os.defpath)}",
        "LD_LIBRARY_PATH": os.pathsep.join(filter(None, libraries)),
        "PYTHONNOUSERSITE": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
