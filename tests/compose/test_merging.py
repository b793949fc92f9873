"""Every combination of the compose files is a project that Docker Compose would accept."""

import json
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import pytest

COMPOSE = Path(__file__).parents[2] / "compose"
TOGETHER = ("compose.yaml", "templates.yaml", "locust.yaml", "monitoring.yaml")
CONTENDERS = sorted(path.name for path in COMPOSE.glob("*.yaml") if path.name not in TOGETHER)
COMBINATIONS = [
    (contender, *others)
    for contender in CONTENDERS
    for others in ((), ("locust.yaml",), ("locust.yaml", "monitoring.yaml"))
]
Merge = Callable[..., dict[str, Any]]

every_combination = pytest.mark.parametrize("files", COMBINATIONS, ids="+".join)
every_profile = pytest.mark.parametrize("profile", ["cpu", "gpu"])


@every_profile
@every_combination
def test_what_a_service_refers_to_is_in_the_project(
    files: tuple[str, ...], profile: str, project: Merge
) -> None:
    merged = project(*files, profile=profile)
    for name, service in merged["services"].items():
        assert "image" in service, name
        assert set(service["networks"]) <= set(merged["networks"])
        named = {volume.split(":")[0] for volume in service.get("volumes", [])}
        assert {source for source in named if source[0] not in "./"} <= set(merged["volumes"])
        needed = {
            other
            for other, how in service.get("depends_on", {}).items()
            if how.get("required", True)
        }
        assert needed <= set(merged["services"])


@every_profile
@every_combination
def test_published_ports_are_on_loopback_and_do_not_collide(
    files: tuple[str, ...], profile: str, project: Merge
) -> None:
    services = project(*files, profile=profile)["services"].values()
    published = [port for service in services for port in service.get("ports", [])]
    assert all(re.fullmatch(r"127\.0\.0\.1:(\d+):\1", port) for port in published), published
    assert not [port for port, times in Counter(published).items() if times > 1]


@every_profile
@every_combination
def test_no_core_serves_and_loads(files: tuple[str, ...], profile: str, project: Merge) -> None:
    cores: dict[bool, set[str]] = {True: set(), False: set()}
    for name, service in project(*files, profile=profile)["services"].items():
        assert "cpus" not in service, "a quota would be measured as latency"
        if name != "prepare":
            drives = name.startswith("locust") or "model-serving-study" not in service["image"]
            cores[drives].update(service["cpuset"].split(","))
    assert not cores[True] & cores[False]


def test_a_contender_is_told_of_as_many_cores_as_it_gets(environment: dict[str, str]) -> None:
    assert int(environment["SERVER_THREADS"]) == len(environment["SERVER_CPUSET"].split(","))


def test_the_gpu_profile_swaps_triton_for_its_gpu_service(project: Merge) -> None:
    assert "triton" in project("hybrid.yaml")["services"]
    services = project("hybrid.yaml", profile="gpu")["services"]
    assert "triton-gpu" in services
    assert "triton" not in services
    assert (
        services["triton-gpu"]["command"] == project("triton.yaml")["services"]["triton"]["command"]
    )


def test_docker_compose_reads_the_same_services(project: Merge, compose_dir: Path) -> None:
    if not _has_docker_compose():
        pytest.skip("docker compose is not installed")
    for files, profile in product(COMBINATIONS, ("cpu", "gpu")):
        given = [f"--file={compose_dir / name}" for name in ("compose.yaml", *files)]
        command = ["docker", "compose", f"--profile={profile}", *given, "config", "--format=json"]
        found = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
        expected = project(*files, profile=profile)["services"]
        assert set(found["services"]) == set(expected)
        for name, service in expected.items():
            theirs = found["services"][name]
            for key in ("command", "cpuset", "image"):
                assert theirs.get(key) == service.get(key), (name, key)
            for key in ("ports", "volumes", "depends_on"):
                assert len(theirs.get(key) or ()) >= len(_active(service.get(key, []), expected))


def _active(entries: Any, services: dict[str, Any]) -> list[str]:
    """Of depends_on only what the profile starts; every port and volume."""
    return [entry for entry in entries if isinstance(entries, list) or entry in services]


def _has_docker_compose() -> bool:
    if shutil.which("docker") is None:
        return False
    return not subprocess.run(["docker", "compose", "version"], capture_output=True).returncode
