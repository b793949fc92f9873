import ast
import tomllib
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from bundle.errors import BundleError
from bundle.freeze import Host
from bundle.stand_in import Packages
from bundle.target import read_target
from bundle.wanted import needs_triton_numpy, project_requirements, read_pins

PLATFORM = "manylinux_2_35_x86_64"


@pytest.fixture
def pyproject(root: Path) -> dict[str, Any]:
    return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))


def names(
    pyproject: Mapping[str, Any], python: str, extras: tuple[str, ...] = ()
) -> dict[str, Requirement]:
    return project_requirements(pyproject, extras, read_target(python, PLATFORM))


def test_the_markers_leave_triton_out_on_python_3_13(pyproject: dict[str, Any]) -> None:
    assert "nvidia-pytriton" in names(pyproject, "3.12")
    assert "nvidia-pytriton" not in names(pyproject, "3.13")


def test_the_gpu_build_of_onnxruntime_takes_its_place(pyproject: dict[str, Any]) -> None:
    assert names(pyproject, "3.12").keys() - names(pyproject, "3.12", ("gpu",)) == {"onnxruntime"}
    assert "onnxruntime-gpu" in names(pyproject, "3.12", ("gpu",))


def test_jupyter_and_the_extra_all_are_packed_in_part(pyproject: dict[str, Any]) -> None:
    asked = names(pyproject, "3.12")
    assert "jupyter" not in asked
    assert asked["tritonclient"].extras == {"grpc", "http"}


def test_an_extra_that_is_not_there_is_named(pyproject: dict[str, Any]) -> None:
    with pytest.raises(BundleError, match="expected --extras among .*gpu.*, found 'tpu'"):
        names(pyproject, "3.12", ("tpu",))


def test_pins_follow_the_python_of_the_target(root: Path) -> None:
    text = (root / "constraints.txt").read_text(encoding="utf-8")
    assert read_pins(text, read_target("3.12", PLATFORM))["numpy"] == Version("1.26.4")
    assert read_pins(text, read_target("3.13", PLATFORM))["numpy"] >= Version("2")


@pytest.mark.parametrize(
    ("host", "needed"),
    [
        ({"numpy": Version("2.3.5")}, True),
        ({"numpy": None}, True),
        ({"numpy": Version("1.26.4")}, False),
        ({}, False),
    ],
)
def test_triton_gets_its_own_numpy_where_the_hosts_is_too_new(
    host: dict[str, Version | None], needed: bool
) -> None:
    assert needs_triton_numpy(["nvidia-pytriton"], host) is needed
    assert not needs_triton_numpy(["numpy"], host)


def test_all_that_the_project_imports_is_packed(
    asked_here: Callable[[str, Host], Packages], here_python: str, root: Path
) -> None:
    packed = asked_here(here_python, {}).packed
    sources = [
        *(
            path
            for one in ("servers", "loadtests", "analysis", "commands")
            for path in (root / one).rglob("*.py")
        ),
        root / "study.py",
    ]
    distributions = metadata.packages_distributions()
    lacking = {
        module
        for path in sources
        for module in _imported(path)
        if module in distributions
        and not {canonicalize_name(one) for one in distributions[module]}
        & {*packed, "model-serving-study"}
    }
    assert lacking == set()


def _imported(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found
