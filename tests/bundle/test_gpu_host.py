"""The host that the bundle is made for first: torch with CUDA 13, numpy 2, no web framework."""

from collections.abc import Callable
from pathlib import Path

from bundle.freeze import Host, read_freeze
from bundle.stand_in import Packages
from bundle.wanted import needs_triton_numpy

LACKING = {"fastapi", "uvicorn", "locust", "gevent", "tritonclient", "litserve", "nvidia-pytriton"}
USED = {"torch", "numpy", "transformers", "pandas", "pyarrow", "onnxruntime", "tokenizers"}


def test_what_it_lacks_travels_and_what_it_has_is_used(
    asked_here: Callable[[str, Host], Packages],
) -> None:
    host = read_freeze(Path(__file__).parent / "freeze-gpu-host.txt")
    packages = asked_here("3.12", host)
    assert packages.packed.keys() >= LACKING
    assert packages.present.keys() >= USED
    assert not {name for name in packages.packed if name.startswith(("torch", "nvidia-c", "numpy"))}
    assert needs_triton_numpy(packages.packed, host)
