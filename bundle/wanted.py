"""What the project asks for, less what it never imports."""

from collections.abc import Collection, Mapping
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from bundle.errors import BundleError
from bundle.freeze import Host
from bundle.target import Target

LEANER = {"jupyter": "ipykernel", "tritonclient": "tritonclient[grpc,http]"}
"""Requirements of pyproject.toml that are packed in part. The report's notebook needs a kernel, but
not the programs that show it. Of tritonclient only grpc and http are imported; the extra `all` adds
cuda-python and perf_analyzer, which since 2.61 is an empty package."""

NOT_IMPORTED = "nvidia-pytriton"
"""Packed without what it requires: its files are started, the package is never imported."""


def project_requirements(
    pyproject: Mapping[str, Any], extras: Collection[str], target: Target
) -> dict[str, Requirement]:
    """What must be there on target, by canonical name; BundleError for an extra that pyproject
    does not have."""
    project = pyproject["project"]
    optional = project.get("optional-dependencies", {})
    unknown = sorted(set(extras) - optional.keys())
    if unknown:
        raise BundleError(
            f"expected --extras among {', '.join(optional)}, found {unknown[0]!r}: "
            "choose from these."
        )
    texts = [*project["dependencies"], *(text for extra in extras for text in optional[extra])]
    asked = {str(canonicalize_name(one.name)): one for one in target.asked(texts)}
    if "onnxruntime-gpu" in asked:  # the same package built for CUDA, with the CPU's engine in it
        asked.pop("onnxruntime", None)
    leaner = (Requirement(LEANER.get(name, str(one))) for name, one in asked.items())
    return {canonicalize_name(one.name): one for one in leaner}


def read_pins(constraints: str, target: Target) -> dict[str, Version]:
    """The version of each package in the text of constraints.txt, for target."""
    pins = target.asked(filter(str.strip, constraints.splitlines()))
    return {canonicalize_name(p.name): Version(next(iter(p.specifier)).version) for p in pins}


def needs_triton_numpy(requirements: Collection[str], host: Host) -> bool:
    """Whether Triton is wanted on a host whose numpy its stubs cannot use, or may be such."""
    too_new = Version("2")
    return NOT_IMPORTED in requirements and (host.get("numpy", Version("0")) or too_new) >= too_new
