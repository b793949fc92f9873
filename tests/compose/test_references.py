"""What the compose files name on disk is there, and images are pinned."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Merge = Callable[..., dict[str, Any]]


@pytest.fixture
def services(project: Merge, contender_files: tuple[str, ...]) -> dict[str, Any]:
    """Every service of every file, each once."""
    found: dict[str, Any] = {}
    for profile in ("cpu", "gpu"):
        for name in (*contender_files, "locust.yaml", "monitoring.yaml"):
            found |= project(name, profile=profile)["services"]
    return found


def test_every_build_file_and_bind_mount_exists(
    services: dict[str, Any], compose_dir: Path
) -> None:
    for name, service in services.items():
        if "build" in service:
            context = compose_dir / service["build"]["context"]
            assert (context / service["build"]["dockerfile"]).is_file(), name
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert source[0] != "." or (compose_dir / source).exists(), (name, source)


def test_every_image_has_a_tag_that_stays(services: dict[str, Any], compose_dir: Path) -> None:
    images = {service["image"] for service in services.values()}
    for dockerfile in compose_dir.glob("*.Dockerfile"):
        images |= set(re.findall(r"^FROM (\S+)", dockerfile.read_text(), re.MULTILINE))
    assert len(images) >= 5
    for image in images:
        tag = image.rpartition("/")[2].partition(":")[2]
        assert re.search(r"\d+\.\d+", tag), image


@pytest.mark.parametrize("dockerfile", ["python.Dockerfile", "triton.Dockerfile"])
def test_what_an_image_is_built_from_exists(dockerfile: str, compose_dir: Path) -> None:
    """README.md may come later: the package builds without it."""
    root = compose_dir.parent
    ignore = (compose_dir / f"{dockerfile}.dockerignore").read_text().splitlines()
    sent = {line[1:] for line in ignore if line.startswith("!")}
    assert all((root / path).exists() for path in sent - {"README.md"}), sent
    copied = re.findall(r"^COPY (\S+) ", (compose_dir / dockerfile).read_text(), re.MULTILINE)
    assert copied
    assert all(source == "." or source in sent for source in copied)


def test_the_python_image_holds_every_file_that_a_command_names(
    services: dict[str, Any], compose_dir: Path
) -> None:
    ignore = (compose_dir / "python.Dockerfile.dockerignore").read_text().splitlines()
    sent = [line[1:] for line in ignore if line.startswith("!")]
    named = {
        path
        for service in services.values()
        for argument in service.get("command", [])
        for path in re.findall(r"^(?:--[\w-]+=)?((?:compose|loadtests)/\S+)$", argument)
    }
    assert {"compose/prepare.py", "loadtests/locustfile.py"} <= named
    for path in named:
        assert (compose_dir.parent / path).is_file(), path
        assert any(path == entry or path.startswith(f"{entry}/") for entry in sent), path


def test_an_image_gives_its_user_the_folders_that_volumes_are_mounted_over(
    services: dict[str, Any], compose_dir: Path
) -> None:
    for service in services.values():
        if "build" not in service:
            continue
        text = (compose_dir.parent / service["build"]["dockerfile"]).read_text()
        assert re.search(r"^USER (?!root)\w", text, re.MULTILINE)
        for volume in service.get("volumes", []):
            source, target, *mode = volume.split(":")
            assert mode == ["ro"] or target in text.split(), (source, "is not writable")


def test_every_variable_is_set_in_one_place(environment: dict[str, str], compose_dir: Path) -> None:
    text = "".join(path.read_text() for path in compose_dir.glob("*.yaml"))
    used = set(re.findall(r"\$\{(\w+)", text))
    assert used | {"COMPOSE_PROFILES"} == set(environment)
