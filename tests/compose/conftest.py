"""Reads the compose files as Docker Compose does, without Docker: interpolate, extend, merge."""

import importlib.util
import re
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "compose"
# Of two lists Compose keeps both, except where the second is the whole of what it says.
REPLACED = {"command", "entrypoint", "test"}
VARIABLE = re.compile(r"\$\{(\w+)(:?[?-])?([^}]*)\}")

Services = dict[str, dict[str, Any]]
Merge = Callable[..., dict[str, Any]]


def read_environment() -> dict[str, str]:
    lines = (COMPOSE / ".env").read_text(encoding="utf-8").splitlines()
    pairs = (line.split("=", 1) for line in lines if line and not line.startswith("#"))
    return {name: value for name, value in pairs}


def interpolate(text: str, environment: Mapping[str, str]) -> str:
    def value(match: re.Match[str]) -> str:
        name, operator, _ = match.groups()
        found = environment.get(name)
        if operator == ":?" and not found:
            raise KeyError(f"{name} is required and has no value in compose/.env")
        if found is None and operator != "-":
            raise KeyError(f"{name} is not set in compose/.env")
        return found or ""

    return VARIABLE.sub(value, text)


def interpolated(node: Any, environment: Mapping[str, str]) -> Any:
    if isinstance(node, dict):
        return {key: interpolated(value, environment) for key, value in node.items()}
    if isinstance(node, list):
        return [interpolated(value, environment) for value in node]
    return interpolate(node, environment) if isinstance(node, str) else node


def merged(base: Any, override: Any, key: str = "") -> Any:
    if isinstance(base, dict) and isinstance(override, dict):
        both = {**base}
        for name, value in override.items():
            both[name] = merged(base[name], value, name) if name in base else value
        return both
    if isinstance(base, list) and isinstance(override, list) and key not in REPLACED:
        return [*base, *(entry for entry in override if entry not in base)]
    return override


@cache
def parsed(name: str) -> Any:
    return yaml.safe_load((COMPOSE / name).read_text(encoding="utf-8"))


def read(name: str) -> dict[str, Any]:
    return dict(interpolated(parsed(name), read_environment()))


def extended(services: Services, name: str) -> dict[str, Any]:
    service = dict(services[name])
    parent = service.pop("extends", None)
    if parent is None:
        return service
    source = read(parent["file"])["services"] if "file" in parent else services
    return dict(merged(extended(source, parent["service"]), service))


def merge(*names: str, profile: str = "cpu") -> dict[str, Any]:
    """The project of compose.yaml and the named files: name, services of profile, volumes."""
    project: dict[str, Any] = {}
    for name in ("compose.yaml", *names):
        content = read(name)
        services = content["services"]
        content["services"] = {own: extended(services, own) for own in services}
        project = merged(project, content)
    project["services"] = {
        name: service
        for name, service in project["services"].items()
        if profile in service.get("profiles", [profile])
    }
    return project


@pytest.fixture(scope="session")
def compose_dir() -> Path:
    return COMPOSE


@pytest.fixture
def environment() -> dict[str, str]:
    return read_environment()


@pytest.fixture
def project() -> Merge:
    return merge


@pytest.fixture
def contender_files() -> tuple[str, ...]:
    others = {"compose.yaml", "templates.yaml", "locust.yaml", "monitoring.yaml"}
    return tuple(sorted(path.name for path in COMPOSE.glob("*.yaml") if path.name not in others))


@pytest.fixture
def network_names() -> Callable[[dict[str, Any]], set[str]]:
    """Every name under which a container of a project can be reached."""

    def names(project: dict[str, Any]) -> set[str]:
        found = set(project["services"])
        for service in project["services"].values():
            for attachment in service["networks"].values():
                found.update((attachment or {}).get("aliases", []))
        return found

    return names


@pytest.fixture
def prepare() -> ModuleType:
    """compose/prepare.py, which is a script and not in a package."""
    spec = importlib.util.spec_from_file_location("compose_prepare", COMPOSE / "prepare.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
