import pytest
from packaging.tags import Tag
from packaging.utils import parse_wheel_filename

from bundle.errors import BundleError
from bundle.target import read_target

TARGET = read_target("3.12", "manylinux_2_35_x86_64")


@pytest.mark.parametrize(
    ("wheel", "runs"),
    [
        ("gevent-26.9.0-cp312-cp312-manylinux_2_28_x86_64.whl", True),
        ("numpy-1.26.4-cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64.whl", True),
        ("old-1.0-cp312-cp312-manylinux1_x86_64.whl", True),
        ("stable-1.0-cp39-abi3-manylinux_2_34_x86_64.whl", True),
        ("pure-1.0-py3-none-any.whl", True),
        ("new-1.0-cp312-cp312-manylinux_2_38_x86_64.whl", False),
        ("gevent-26.9.0-cp311-cp311-manylinux_2_28_x86_64.whl", False),
        ("arm-1.0-cp312-cp312-manylinux_2_28_aarch64.whl", False),
    ],
)
def test_the_tags_are_those_of_wheels_that_run_on_the_target(wheel: str, runs: bool) -> None:
    tags: frozenset[Tag] = parse_wheel_filename(wheel)[3]
    assert bool(tags & set(TARGET.tags)) is runs


def test_a_python_without_wheels_is_refused() -> None:
    with pytest.raises(
        BundleError, match=r"expected --python to be one of 3.11, 3.12, 3.13, found '3.9'"
    ):
        read_target("3.9", "manylinux_2_35_x86_64")


def test_another_platform_is_refused() -> None:
    with pytest.raises(BundleError, match="found 'macosx_14_0_arm64'"):
        read_target("3.12", "macosx_14_0_arm64")
