"""What the project asks for, less what it never imports."""

from collections.abc import Collection, Mapping
from typing import Any

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from bundle.errors import BundleError
from bundle.freeze import Host
from bundle.target import Target

LEANER = {
    "jupyter": (
        "ipykernel",
        "the report's notebook needs a kernel; JupyterLab, Notebook and consoles only show it",
    ),
    "tritonclient": (
        "tritonclient[grpc]",
        "only tritonclient.grpc is imported; the extra `all` adds cuda-python (shared memory on "
        "the GPU), aiohttp and perf_analyzer, which since 2.61 is an empty package",
    ),
}
"""Requirements of pyproject.toml that are packed in part: what instead, and why."""

NOT_IMPORTED = {
    "nvidia-pytriton": "its files are started, the package is never imported: nothing it requires",
}
"""Packages whose own requirements are left out, and why."""

TRITON_NUMPY = "numpy==1.26.4"
"""The last numpy that Triton 2.51's Python stubs can use; no wheels for Python 3.13."""


def project_requirements(
    pyproject: Mapping[str, Any], extras: Collection[str], target: Target
) -> list[Requirement]:
    """What must be there on target; BundleError for an extra that pyproject does not have."""
    project = pyproject["project"]
    optional = project.get("optional-dependencies", {})
    unknown = sorted(set(extras) - optional.keys())
    if unknown:
        raise BundleError(
            f"expected --extras among {', '.join(optional)}, found {unknown[0]!r}: "
            "choose from these."
        )
    texts = [*project["dependencies"], *(text for extra in extras for text in optional[extra])]
    asked = [Requirement(text) for text in texts]
    here: dict[str, Requirement] = {
        canonicalize_name(requirement.name): requirement
        for requirement in asked
        if not requirement.marker or requirement.marker.evaluate(target.markers)
    }
    if "onnxruntime-gpu" in here:  # the same package built for CUDA, with the CPU's engine in it
        here.pop("onnxruntime", None)
    return [Requirement(LEANER[name][0]) if name in LEANER else here[name] for name in here]


def read_pins(constraints: str, target: Target) -> dict[str, SpecifierSet]:
    """The version of each package in the text of constraints.txt, for target."""
    pins = [Requirement(line) for line in constraints.splitlines() if line.strip()]
    return {
        canonicalize_name(pin.name): pin.specifier
        for pin in pins
        if not pin.marker or pin.marker.evaluate(target.markers)
    }


def needs_triton_numpy(requirements: Collection[Requirement], host: Host) -> bool:
    """Whether Triton is wanted on a host whose numpy its stubs cannot use."""
    triton = any(canonicalize_name(one.name) in NOT_IMPORTED for one in requirements)
    if not triton or "numpy" not in host:
        return False
    numpy = host["numpy"]
    return numpy is None or numpy >= Version("2")
