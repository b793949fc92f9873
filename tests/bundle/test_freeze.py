from pathlib import Path

import pytest
from packaging.version import Version

from bundle.errors import BundleError
from bundle.freeze import read_freeze


@pytest.fixture
def freeze(tmp_path: Path) -> Path:
    return tmp_path / "freeze.txt"


def test_what_pip_freeze_writes_is_read_in_each_of_its_forms(freeze: Path) -> None:
    freeze.write_text(
        "# a comment\n"
        "Jinja2==3.1.6\n"
        "torch @ file:///opt/torch-2.11.0%2Bcu130-cp312-cp312-linux_x86_64.whl#sha256=00\n"
        "numpy @ file:///croot/numpy_1692/work\n"
        "-e git+ssh://git@example.org/team/tools@0a1b#egg=Our_Tools\n"
        "# Editable install with no version control (own==1.5)\n"
        "-e /home/someone/own\n"
        "jetson-stats===4.3rc1\n"
    )
    assert read_freeze(freeze) == {
        "jinja2": Version("3.1.6"),
        "torch": Version("2.11.0+cu130"),
        "numpy": None,
        "our-tools": None,
        "own": Version("1.5"),
        "jetson-stats": Version("4.3rc1"),
    }


def test_onnxruntime_gpu_is_also_onnxruntime(freeze: Path) -> None:
    freeze.write_text("onnxruntime-gpu==1.31.1\n")
    assert read_freeze(freeze)["onnxruntime"] == Version("1.31.1")


@pytest.mark.parametrize("line", ["Package    Version", "numpy>=2", "numpy==2.*", "numpy", "{}"])
def test_a_line_that_pip_freeze_would_not_write_is_named(freeze: Path, line: str) -> None:
    freeze.write_text(f"rich==15.0.0\n{line}\n")
    with pytest.raises(BundleError, match=r"in line 2 of .*freeze.txt, found '"):
        read_freeze(freeze)


def test_a_file_that_is_not_there_is_one_sentence(freeze: Path) -> None:
    with pytest.raises(BundleError, match="expected the target's `pip freeze` in .*freeze.txt"):
        read_freeze(freeze)
