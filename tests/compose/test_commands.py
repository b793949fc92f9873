"""Every command line in the compose files is one that the program it starts understands."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from loadtests.spec.file import read_experiment
from servers.discovery import SERVERS_DIR, Contender, discover
from servers.launch_args import LaunchArgs, parse_launch_args
from servers.triton_service.installation import prepare_installation

COMPOSE = SERVERS_DIR.parent / "compose"
SERVED = {
    name
    for path in COMPOSE.glob("*.yaml")
    for name in yaml.safe_load(path.read_text(encoding="utf-8")).get("services", {})
}
CONTENDERS = {name: found for name, found in discover().items() if name in SERVED}
"""Those that Docker starts: a contender may go without a compose file."""
HTTP_PORT, GRPC_PORT = 8000, 8001
"""Inside a container, where nothing else listens."""

# Compose runs Triton's own image for these instead of the folder's launcher.
TRITONS = {name for name, contender in CONTENDERS.items() if contender.server == "triton_service"}
LAUNCHED = [contender for name, contender in CONTENDERS.items() if name not in TRITONS]
Merge = Callable[..., dict[str, Any]]
each_launched = pytest.mark.parametrize("contender", LAUNCHED, ids=lambda contender: contender.name)


@pytest.fixture
def services(project: Merge, contender_files: tuple[str, ...]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in contender_files:
        found |= project(name)["services"]
    return found


def launch_args(service: dict[str, Any]) -> LaunchArgs:
    return parse_launch_args(service["command"][3:])


def published(service: dict[str, Any]) -> set[int]:
    return {int(port.rpartition(":")[2]) for port in service["ports"]}


def test_every_service_is_a_contender(services: dict[str, Any]) -> None:
    assert set(services) - {"prepare"} == set(CONTENDERS)


def test_every_contender_of_the_default_study_has_a_service() -> None:
    experiment = read_experiment(Path("default"))
    assert experiment.calibration
    needed = {*experiment.contenders, *experiment.calibration.contenders}
    assert needed <= set(CONTENDERS)


@each_launched
def test_a_contender_is_started_as_its_server_toml_says(
    contender: Contender, services: dict[str, Any]
) -> None:
    command = services[contender.name]["command"]
    assert command[:3] == ["python", "-m", f"servers.{contender.server}"]
    assert (SERVERS_DIR / contender.server / "__main__.py").is_file()
    args = launch_args(services[contender.name])
    assert (args.contender, args.engine) == (contender.name, contender.engine)
    where = {"triton_url"}  # the only option that says where something is, not how it works
    options = {name: value for name, value in contender.options.items() if name != "curve"}
    assert contender.options.get("curve", "") == ""  # a simulated device has no image
    for name, declared in options.items():
        assert name in where or args.options[name] == declared
    assert set(args.options) == set(options)


@each_launched
def test_a_contender_listens_for_other_containers_on_the_port_that_is_published(
    contender: Contender, services: dict[str, Any]
) -> None:
    http = contender.protocol == "http-json"
    port = HTTP_PORT if http else GRPC_PORT
    args = launch_args(services[contender.name])
    assert (args.host, args.port) == ("0.0.0.0", port)
    assert published(services[contender.name]) == {port}


@each_launched
def test_a_contender_has_the_cores_it_is_told_of(
    contender: Contender, services: dict[str, Any]
) -> None:
    service = services[contender.name]
    assert launch_args(service).threads == len(service["cpuset"].split(","))


@each_launched
def test_the_folders_a_contender_is_given_are_mounted(
    contender: Contender, services: dict[str, Any]
) -> None:
    service = services[contender.name]
    args = launch_args(service)
    assert f"artefacts:{args.model_dir.parent}:ro" in service["volumes"]
    assert service["tmpfs"] == [str(args.work_dir)]


def test_a_probe_asks_the_port_that_the_service_listens_on(services: dict[str, Any]) -> None:
    probed = {name: service for name, service in services.items() if "healthcheck" in service}
    assert set(probed) == set(CONTENDERS) - {"null-grpc"}  # gRPC only: there is nothing to GET
    for name, service in probed.items():
        path = "/v2/health/ready" if name in TRITONS else "/health/ready"
        assert f'"http://127.0.0.1:8000{path}"' in service["healthcheck"]["test"][-1]
        compile(service["healthcheck"]["test"][-1], name, "exec")


def test_the_gateway_calls_the_triton_of_its_own_file(
    project: Merge, network_names: Callable[[dict[str, Any]], set[str]]
) -> None:
    for profile in ("cpu", "gpu"):
        merged = project("hybrid.yaml", profile=profile)
        args = launch_args(merged["services"]["hybrid"])
        host, port = str(args.options["triton_url"]).split(":")
        assert host in network_names(merged)
        triton = merged["services"]["triton" if profile == "cpu" else "triton-gpu"]
        assert f"--grpc-port={port}" in triton["command"]


def test_the_triton_binary_knows_every_flag(project: Merge, plain_tmp_path: Path) -> None:
    installation = prepare_installation(plain_tmp_path / "triton")
    shown = subprocess.run(
        [str(installation.binary), "--help"],
        env=installation.environment,
        capture_output=True,
        text=True,
    )
    known = set(re.findall(r"^\s*(--[\w-]+)", shown.stdout + shown.stderr, re.MULTILINE))
    assert "--log-verbose" in known
    for profile, name in (("cpu", "triton"), ("gpu", "triton-gpu")):
        program, *flags = project("triton.yaml", profile=profile)["services"][name]["command"]
        assert program == "tritonserver"
        assert {flag.split("=")[0] for flag in flags} <= known


def test_triton_publishes_the_ports_it_opens(services: dict[str, Any]) -> None:
    opened = {
        int(port)
        for flag in services["triton"]["command"]
        for port in re.findall(r"^--(?:http|grpc|metrics)-port=(\d+)$", flag)
    }
    assert len(opened) == 3
    assert published(services["triton"]) == opened
    assert GRPC_PORT in opened


def test_prepare_understands_its_arguments(project: Merge, prepare: ModuleType) -> None:
    service = project()["services"]["prepare"]
    assert service["command"][:2] == ["python", "compose/prepare.py"]
    given = prepare.parser().parse_args(service["command"][2:])
    writable = {volume.split(":")[1] for volume in service["volumes"] if volume[-3:] != ":ro"}
    folders = {str(given.repositories / form) for form in prepare.FORMS}
    assert writable == {str(given.artefacts), *folders}
