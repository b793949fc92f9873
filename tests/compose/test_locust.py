"""Locust as compose/locust.yaml starts it: its classes, their hosts, and real requests."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest

from loadtests.launch.server import free_ports
from servers.discovery import discover

ROOT = Path(__file__).parents[2]
DEADLINE_S = 60.0
Merge = Callable[..., dict[str, Any]]


@pytest.fixture
def hosts(prepare: ModuleType, tmp_path: Path) -> dict[str, str]:
    prepare.write_hosts(tmp_path / "hosts.json")
    entries = json.loads((tmp_path / "hosts.json").read_text())
    return {entry["user_class_name"]: entry["host"] for entry in entries}


def test_each_class_calls_the_service_of_its_contender(hosts: dict[str, str]) -> None:
    assert len(hosts) == len(discover())
    assert hosts["FastapiTuned"] == "http://fastapi-tuned:8000"
    assert hosts["Triton"] == "grpc://triton:8001"


def test_the_locust_file_has_exactly_these_classes(hosts: dict[str, str]) -> None:
    listed = subprocess.run(
        [sys.executable, "-m", "locust", "-f", "loadtests/locustfile.py", "--list"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    shown = listed.stdout + listed.stderr
    assert set(re.findall(r"^\s+([A-Z]\w+)$", shown, re.MULTILINE)) == set(hosts)


@pytest.mark.live
def test_a_class_chosen_in_the_web_ui_loads_its_own_host(project: Merge, tmp_path: Path) -> None:
    services = project("null.yaml", "locust.yaml")["services"]
    ports = free_ports(("web", "bus"))
    server, web, bus = ports.main, ports.extra["web"], ports.extra["bus"]
    hosts = [{"user_class_name": "NullHttp", "host": f"http://127.0.0.1:{server}"}]
    (tmp_path / "hosts.json").write_text(json.dumps(hosts))
    text = {"text_id": 0, "text": "hi", "n_tokens": 3, "label": "a", "confidence": 1.0}
    (tmp_path / "traffic.jsonl").write_text(json.dumps(text))

    def moved_here(service: str, *changes: str) -> list[str]:
        command = [
            argument.replace("/artefacts/locust-hosts.json", f"{tmp_path}/hosts.json").replace(
                "/artefacts/traffic.jsonl", f"{tmp_path}/traffic.jsonl"
            )
            for argument in services[service]["command"]
        ]
        start = command[1:] if command[0] == "python" else ["-m", *command]
        return [sys.executable, *start, *changes]

    with ExitStack() as stack:
        for command in (
            moved_here("null-http", "--host=127.0.0.1", f"--port={server}"),
            moved_here(
                "locust-master",
                *("--web-host=127.0.0.1", f"--web-port={web}"),
                *("--master-bind-host=127.0.0.1", f"--master-bind-port={bus}"),
                "--calibration",
            ),
            moved_here("locust-worker", "--master-host=127.0.0.1", f"--master-port={bus}"),
        ):
            stack.enter_context(_running(command))
        url = f"http://127.0.0.1:{web}"
        _until(lambda: _get(f"{url}/stats/requests")["workers"])
        form = {"user_count": 2, "spawn_rate": 2, "host": "", "user_classes": "NullHttp"}
        with urlopen(f"{url}/swarm", urlencode(form).encode(), timeout=10) as answer:
            assert json.load(answer)["success"]

        def predictions() -> list[dict[str, Any]]:
            stats = _get(f"{url}/stats/requests")["stats"]
            return [
                row for row in stats if row["name"] == "null-http /predict" and row["num_requests"]
            ]

        (row,) = _until(predictions)
        assert row["num_failures"] == 0


@contextmanager
def _running(command: list[str]) -> Iterator[None]:
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _get(url: str) -> dict[str, Any]:
    try:
        with urlopen(url, timeout=10) as answer:
            return dict(json.load(answer))
    except OSError:
        return {"workers": [], "stats": []}


def _until(found: Callable[[], Any]) -> Any:
    """Polls until found() is something; fails after DEADLINE_S."""
    deadline = time.monotonic() + DEADLINE_S
    while not (value := found()):
        assert time.monotonic() < deadline, "nothing came in time"
        time.sleep(0.1)
    return value
