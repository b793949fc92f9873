"""The host that the bundle is made for first: torch with CUDA 13, numpy 2, no web framework."""

import tomllib
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from bundle.closure import Release, close
from bundle.freeze import read_freeze
from bundle.target import read_target
from bundle.wanted import needs_triton_numpy, project_requirements

LACKING = {"fastapi", "uvicorn", "locust", "gevent", "tritonclient", "litserve", "nvidia-pytriton"}
USED = {"torch", "numpy", "transformers", "pandas", "pyarrow", "onnxruntime", "tokenizers"}


def test_what_it_lacks_travels_and_what_it_has_is_used(root: Path) -> None:
    def installed_here(wanted: Mapping[str, SpecifierSet]) -> dict[str, Release]:
        return {
            name: Release(
                name,
                Version(metadata.version(name)),
                tuple(map(Requirement, metadata.requires(name) or [])),
                Path(),
            )
            for name in wanted
        }

    host = read_freeze(Path(__file__).parent / "freeze-gpu-host.txt")
    pyproject = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    target = read_target("3.12", "manylinux_2_35_x86_64")
    wanted = project_requirements(pyproject, (), target)
    closure = close(wanted, host, target.markers, installed_here)
    assert closure.packed.keys() >= LACKING
    assert closure.present.keys() >= USED
    assert needs_triton_numpy(wanted, host)
