"""Which packages must travel: what the project asks for, and what those ask for, not on the host.

pip cannot be asked: it would follow nvidia-pytriton's `numpy<2` and replace the host's numpy, and
with it what was built against it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from bundle.errors import BundleError
from bundle.freeze import Host
from bundle.wanted import NOT_IMPORTED

HOST_DECIDES = frozenset({"numpy", "pandas", "pyarrow", "torch", "transformers"})
"""Used in whatever version the host has: other packages of the host are built against these."""


@dataclass(frozen=True)
class Release:
    """One version of a package, and what its metadata asks for."""

    name: str
    version: Version
    requires: tuple[Requirement, ...]
    wheel: Path


@dataclass(frozen=True)
class Closure:
    """By canonical name: what is packed, what the host has of what is needed, who asks for it."""

    packed: Mapping[str, Release]
    present: Host
    asked_by: Mapping[str, Sequence[str]]


Fetch = Callable[[Mapping[str, SpecifierSet]], Mapping[str, Release]]


def close(
    wanted: Iterable[Requirement], host: Host, markers: Mapping[str, str], fetch: Fetch
) -> Closure:
    """Follows requirements until every one is met by the host or by a packed release.

    BundleError when a packed release is not what another one asks for.
    """
    demands: dict[str, list[tuple[str, Requirement]]] = {}
    releases: dict[str, Release] = {}

    def demand(asker: str, requirements: Iterable[Requirement]) -> None:
        for requirement in requirements:
            name = canonicalize_name(requirement.name)
            demands.setdefault(name, []).append((asker, requirement))

    demand("the project", wanted)
    followed: set[tuple[str, str]] = set()
    while due := _due(demands, host) - followed:
        unknown = {name for name, _ in due} - releases.keys()
        releases |= fetch({name: _combined(demands[name]) for name in sorted(unknown)})
        for name, extra in sorted(due):
            demand(name, _requirements(releases[name], extra, markers))
        followed |= due
    packed = {name: releases[name] for name in sorted(demands) if not _met(host, name, demands)}
    _check(packed, demands)
    return Closure(
        packed=packed,
        present={name: host[name] for name in sorted(demands) if name not in packed},
        asked_by={name: sorted({asker for asker, _ in demands[name]}) for name in demands},
    )


def _due(demands: Mapping[str, list[tuple[str, Requirement]]], host: Host) -> set[tuple[str, str]]:
    """(package, extra) whose requirements count. pip freeze does not tell which extras a host has:
    what they stand for is looked up in the pinned release."""
    packed = {(name, "") for name in demands if not _met(host, name, demands)}
    return packed | {
        (name, extra) for name, asked in demands.items() for _, one in asked for extra in one.extras
    }


def _met(host: Host, name: str, demands: Mapping[str, list[tuple[str, Requirement]]]) -> bool:
    if name not in host:
        return False
    version = host[name]
    if version is None or name in HOST_DECIDES:
        return True
    return _combined(demands[name]).contains(version, prereleases=True)


def _combined(asked: list[tuple[str, Requirement]]) -> SpecifierSet:
    return SpecifierSet(",".join(str(one.specifier) for _, one in asked if one.specifier))


def _requirements(
    release: Release, extra: str, markers: Mapping[str, str]
) -> Iterable[Requirement]:
    if release.name in NOT_IMPORTED:
        return []

    def applies(one: Requirement, extra: str) -> bool:
        return not one.marker or one.marker.evaluate({**markers, "extra": extra})

    if not extra:
        return [one for one in release.requires if applies(one, "")]
    return [one for one in release.requires if applies(one, extra) and not applies(one, "")]


def _check(
    packed: Mapping[str, Release], demands: Mapping[str, list[tuple[str, Requirement]]]
) -> None:
    for name, release in packed.items():
        for asker, one in demands[name]:
            if not one.specifier.contains(release.version, prereleases=True):
                raise BundleError(
                    f"expected {name}{one.specifier}, which {asker} asks for, found "
                    f"{release.version} in constraints.txt: correct the pin."
                )
