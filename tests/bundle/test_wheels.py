import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

from bundle.errors import BundleError
from bundle.target import Target, read_target
from bundle.wheels import WheelFolder

ANY = SpecifierSet()


@pytest.fixture
def target() -> Target:
    return read_target("3.13", "manylinux_2_35_x86_64")


def test_the_pinned_wheel_is_fetched_and_read(
    index: Path, tmp_path: Path, target: Target, make_wheel: Callable[..., Path]
) -> None:
    make_wheel("jupytext", index)
    (release,) = WheelFolder(tmp_path / "wheels", target, {}).fetch({"jupytext": ANY}).values()
    assert release.wheel.parent == tmp_path / "wheels"
    assert "nbformat" in {one.name for one in release.requires}


def test_a_wheel_that_was_fetched_is_not_asked_for_again(
    index: Path, tmp_path: Path, target: Target, make_wheel: Callable[..., Path]
) -> None:
    (tmp_path / "wheels").mkdir()
    kept = make_wheel("hpack", tmp_path / "wheels")
    fetched = WheelFolder(tmp_path / "wheels", target, {}).fetch({"hpack": ANY})
    assert fetched["hpack"].wheel == kept


def test_a_package_without_a_wheel_for_that_python_is_named(
    index: Path, tmp_path: Path, target: Target
) -> None:
    (index / "numpy-1.26.4-cp312-cp312-manylinux_2_17_x86_64.whl").write_bytes(b"")
    wheels = WheelFolder(tmp_path / "wheels", target, {"numpy": SpecifierSet("==1.26.4")})
    with pytest.raises(BundleError, match=r"a wheel of numpy==1.26.4 for Python 3.13 on manylinux"):
        wheels.fetch({"numpy": ANY})


def test_generated_modules_ask_for_a_protobuf_no_older_than_what_generated_them(
    tmp_path: Path, target: Target
) -> None:
    wheel = tmp_path / "generated-1.0-py3-none-any.whl"
    check = (
        "_runtime_version.ValidateProtobufRuntimeVersion(\n    _runtime_version.Domain.PUBLIC,\n"
    )
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("generated/a_pb2.py", f"{check}    6,\n    9,\n    12,\n    ''\n)\n")
        archive.writestr("generated/b_pb2.py", f"{check}    6,\n    33,\n    5,\n    ''\n)\n")
        archive.writestr("generated/c_pb2.py", "# made before such checks\n")
        metadata = "Name: generated\nVersion: 1.0\nRequires-Dist: protobuf>=6.0\n"
        archive.writestr("generated-1.0.dist-info/METADATA", metadata)
    (release,) = WheelFolder(tmp_path, target, {}).fetch({"generated": ANY}).values()
    assert list(map(str, release.requires)) == ["protobuf>=6.0", "protobuf>=6.33.5"]


def test_a_damaged_wheel_is_named(tmp_path: Path, target: Target) -> None:
    (tmp_path / "hpack-4.2.0-py3-none-any.whl").write_bytes(b"half")
    with pytest.raises(BundleError, match="hpack-4.2.0-py3-none-any.whl, found a damaged file"):
        WheelFolder(tmp_path, target, {}).fetch({"hpack": ANY})
