from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from bundle.closure import Closure, Release, close
from bundle.errors import BundleError
from bundle.freeze import Host
from bundle.target import read_target

MARKERS = read_target("3.12", "manylinux_2_35_x86_64").markers
SHELF = {
    "fastapi": ("0.165.0", ["starlette>=1.6", "pydantic>=2.9"]),
    "starlette": ("1.10.0", ["anyio<5", "typing-extensions; python_version < '3.12'"]),
    "pydantic": ("2.14.3", ["pydantic-core==2.50.4"]),
    "pydantic-core": ("2.50.4", []),
    "anyio": ("4.16.0", []),
    "uvicorn": ("0.54.0", ["click", "uvloop; extra == 'standard'", "fastapi; extra == 'other'"]),
    "uvloop": ("0.23.0", []),
    "click": ("8.5.1", []),
    "nvidia-pytriton": ("0.7.0", ["numpy<2", "typer"]),
    "scipy": ("1.17.1", ["numpy<2.3"]),
}


@pytest.fixture
def closed() -> Callable[..., Closure]:
    def fetch(wanted: Mapping[str, SpecifierSet]) -> dict[str, Release]:
        return {
            name: Release(
                name, Version(SHELF[name][0]), tuple(map(Requirement, SHELF[name][1])), Path()
            )
            for name in wanted
        }

    def build(wanted: Iterable[str], **host: str | None) -> Closure:
        there: Host = {
            name.replace("_", "-"): Version(version) if version else None
            for name, version in host.items()
        }
        return close(map(Requirement, wanted), there, MARKERS, fetch)

    return build


def test_what_a_packed_package_asks_for_is_packed_too(closed: Callable[..., Closure]) -> None:
    packed = closed(["fastapi"]).packed
    assert sorted(packed) == ["anyio", "fastapi", "pydantic", "pydantic-core", "starlette"]


def test_what_the_host_has_in_range_stays_and_is_not_followed(
    closed: Callable[..., Closure],
) -> None:
    closure = closed(["fastapi"], pydantic="2.10", anyio="4.0")
    assert sorted(closure.packed) == ["fastapi", "starlette"]
    assert closure.present == {"pydantic": Version("2.10"), "anyio": Version("4.0")}


def test_what_the_host_has_out_of_range_is_packed(closed: Callable[..., Closure]) -> None:
    assert "pydantic" in closed(["pydantic>=2", "fastapi"], pydantic="2.5").packed


def test_a_version_that_is_not_stated_counts_as_present(closed: Callable[..., Closure]) -> None:
    assert closed(["fastapi>=0.112"], fastapi=None).packed == {}


def test_extras_that_pip_freeze_does_not_show_are_looked_up(
    closed: Callable[..., Closure],
) -> None:
    closure = closed(["uvicorn[standard]"], uvicorn="0.30")
    assert sorted(closure.packed) == ["uvloop"]


def test_triton_does_not_bring_what_it_asks_for(closed: Callable[..., Closure]) -> None:
    assert sorted(closed(["nvidia-pytriton"], numpy="2.3.5").packed) == ["nvidia-pytriton"]


def test_the_hosts_numpy_is_never_replaced(closed: Callable[..., Closure]) -> None:
    assert sorted(closed(["numpy<2", "scipy"], numpy="2.3.5").packed) == ["scipy"]


def test_a_pin_that_another_package_refuses_is_named(closed: Callable[..., Closure]) -> None:
    with pytest.raises(BundleError, match=r"expected anyio>=5, which the project asks for, found"):
        closed(["anyio>=5"])
