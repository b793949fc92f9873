from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from bundle.errors import BundleError
from bundle.stand_in import Packages, StandIn

OnlyFrom = Callable[[Path], AbstractContextManager[None]]

SHELF = {
    "fastapi==0.165.0": ["starlette>=1.6", "pydantic>=2.9"],
    "starlette==1.10.0": [
        "anyio<5",
        "older; python_version < '3.12'",
        "newer; python_version >= '3.12'",
    ],
    "newer==1.0": [],
    "pydantic==2.14.3": ["pydantic-core==2.50.4"],
    "anyio==4.16.0": [],
    "anyio==4.17.0": [],
    "uvicorn==0.54.0": ["click", "uvloop; extra == 'standard'"],
    "uvloop==0.23.0": [],
    "click==8.5.1": [],
    "nvidia-pytriton==0.7.0": ["numpy<2", "typer"],
    "numpy==1.26.4": [],
    "scipy==1.17.1": ["numpy<2.3"],
    "tritonclient==2.73.0": ["protobuf>=6.30"],
    "protobuf==6.33.6": [],
}
PINS = {name: Version(version) for name, version in (one.split("==") for one in reversed(SHELF))}
ASKED = ["fastapi", "uvicorn[standard]", "nvidia-pytriton==0.7.0", "numpy<2", "scipy"]
ASKED += ["tritonclient", "protobuf", "onnx>=1.20"]
HOST = {
    **{"pydantic": Version("2.10"), "anyio": Version("5.0"), "uvicorn": Version("0.54.0")},
    **{"click": Version("8.0"), "numpy": Version("2.3.5"), "protobuf": Version("6.33.1")},
    **{"onnx": None, "unrelated": Version("1.0")},
}


@pytest.fixture(scope="module")
def packages(
    stand_in: Callable[[str], StandIn],
    only_from: OnlyFrom,
    bare_wheel: Callable[..., Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Packages:
    """What ASKED makes of SHELF for HOST."""
    folder = tmp_path_factory.mktemp("shelf")
    for release, requires in SHELF.items():
        name, version = release.split("==")
        lines = [f"Name: {name}", f"Version: {version}", "Provides-Extra: standard"]
        lines += [f"Requires-Dist: {one}" for one in requires]
        bare_wheel(folder, "\n".join(["Metadata-Version: 2.1", *lines]) + "\n")
    asked = {one.name: one for one in map(Requirement, ASKED)}
    chosen = stand_in("3.12")
    with only_from(folder):
        return chosen.resolve(asked, {**PINS, "onnx": Version("1.23")}, HOST)


def test_what_a_packed_package_asks_for_on_the_targets_python_is_packed_too(
    packages: Packages,
) -> None:
    assert {"fastapi", "starlette", "newer"} <= packages.packed.keys()
    assert "older" not in packages.packed


def test_what_the_host_has_in_range_stays_and_is_not_followed(packages: Packages) -> None:
    assert packages.present["pydantic"] == Version("2.10")
    assert not {"pydantic", "pydantic-core", "click"} & packages.packed.keys()


def test_what_the_host_has_out_of_range_is_packed_at_its_pin(packages: Packages) -> None:
    assert packages.packed["anyio"] == Version("4.16.0")


def test_a_version_that_is_not_stated_counts_as_present(packages: Packages) -> None:
    assert packages.present["onnx"] is None


def test_a_package_asked_for_with_an_extra_travels_with_it(packages: Packages) -> None:
    assert {"uvicorn", "uvloop"} <= packages.packed.keys()


def test_triton_does_not_bring_what_it_asks_for(packages: Packages) -> None:
    assert "nvidia-pytriton" in packages.packed
    assert "typer" not in packages.packed


def test_the_hosts_numpy_is_never_replaced(packages: Packages) -> None:
    assert packages.present["numpy"] == Version("2.3.5")
    assert "numpy" not in packages.packed


def test_a_protobuf_older_than_the_pin_is_packed(packages: Packages) -> None:
    assert packages.packed["protobuf"] == Version("6.33.6")


def test_what_nobody_asks_for_is_not_named(packages: Packages) -> None:
    assert "unrelated" not in {*packages.packed, *packages.present}


@pytest.mark.parametrize(
    "tag", ["cp312-cp312-manylinux1_x86_64", "cp39-abi3-manylinux_2_34_x86_64"]
)
def test_wheels_for_an_older_glibc_or_python_are_taken(
    stand_in: Callable[[str], StandIn],
    only_from: OnlyFrom,
    bare_wheel: Callable[..., Path],
    tmp_path: Path,
    tag: str,
) -> None:
    wheel = bare_wheel(tmp_path, "Metadata-Version: 2.1\nName: one\nVersion: 1.0\n", tag)
    chosen = stand_in("3.12")
    with only_from(tmp_path):
        chosen.download({"one": Version("1.0")}, tmp_path / "wheels")
    assert [path.name for path in (tmp_path / "wheels").iterdir()] == [wheel.name]


@pytest.mark.parametrize(
    "tag", ["cp311-cp311-manylinux_2_17_x86_64", "cp312-cp312-manylinux_2_38_x86_64"]
)
def test_a_package_without_a_wheel_for_the_target_is_named(
    stand_in: Callable[[str], StandIn],
    only_from: OnlyFrom,
    bare_wheel: Callable[..., Path],
    tmp_path: Path,
    tag: str,
) -> None:
    bare_wheel(tmp_path, "Metadata-Version: 2.1\nName: one\nVersion: 1.0\n", tag)
    chosen = stand_in("3.12")
    with (
        only_from(tmp_path),
        pytest.raises(BundleError, match=r"expected pip to find a wheel .*, found .* one==1.0 "),
    ):
        chosen.download({"one": Version("1.0")}, tmp_path / "wheels")
