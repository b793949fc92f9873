import pytest

from bundle.errors import BundleError
from bundle.target import read_target


def test_a_python_without_wheels_is_refused() -> None:
    with pytest.raises(
        BundleError, match=r"expected --python to be one of 3.11, 3.12, 3.13, found '3.9'"
    ):
        read_target("3.9", "manylinux_2_35_x86_64")


def test_another_platform_is_refused() -> None:
    with pytest.raises(BundleError, match="found 'macosx_14_0_arm64'"):
        read_target("3.12", "macosx_14_0_arm64")
