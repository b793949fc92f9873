"""Locust by hand, as a person starts it: whom its classes load, and whom they refuse to."""

import json
import re
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from loadtests.launch.server import RunningServer, free_ports
from servers.discovery import discover

ROOT = Path(__file__).parents[2]
LOCUST_FILE = "loadtests/locustfile.py"


def locust(*arguments: str, run_s: int = 1) -> subprocess.CompletedProcess[str]:
    how = ("--headless", "--only-summary", "--users=2", "--spawn-rate=2", f"--run-time={run_s}s")
    command = [sys.executable, "-m", "loadtests.generator.locust_command", "-f", LOCUST_FILE, *how]
    return subprocess.run(
        [*command, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60
    )


def rows(folder: Path, *arguments: str) -> dict[str, Any]:
    """Locust's statistics by name."""
    file = folder / "stats.json"
    locust(*arguments, f"--json-file={file.with_suffix('')}")
    return {row["name"]: row for row in json.loads(file.read_text())}


def failures(*arguments: str) -> dict[str, int]:
    """How often each error of Locust's error report came."""
    done = locust(*arguments, run_s=2)
    report = (done.stdout + done.stderr).rpartition("Error report")[2]
    return {found[2]: int(found[1]) for found in re.finditer(r"^(\d+) +(.*?) *$", report, re.M)}


def at(folder: Path, **hosts: str) -> str:
    file = folder / "hosts.json"
    entries = [{"user_class_name": name, "host": host} for name, host in hosts.items()]
    file.write_text(json.dumps(entries))
    return f"--config-users={file}"


def classes_offered(*given: str) -> list[set[str]]:
    """Those of the web UI's class picker, which START takes all of, for each argument."""
    code = """
import sys
from locust import events
from locust.argument_parser import parse_options
from locust.main import create_environment, merge_locustfiles_content
file, *given = sys.argv[1:]
classes, *_ = merge_locustfiles_content([file])
for argument in given:
    options = parse_options(["-f", file, *argument.split()])
    named = [classes[name] for name in options.user_classes] or list(classes.values())
    made = create_environment(named, options, events=events, available_user_classes=dict(classes))
    events.init.fire(environment=made, runner=made.create_local_runner(), web_ui=None)
    print("offered", *(each.__name__ for each in made.user_classes))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, LOCUST_FILE, *given],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    said = [line.split() for line in done.stdout.splitlines()]  # Locust's parser warns between
    return [set(words[1:]) for words in said if words[0] == "offered"]


def test_the_calibrations_classes_run_only_where_they_are_asked_for() -> None:
    known = discover().values()
    compared = {each.name for each in known if each.setting != "calibration"}
    names = {name: "".join(part.capitalize() for part in name.split("-")) for name in discover()}

    usual, all_of_them, one = classes_offered("", "--calibration", "NullHttp")

    assert usual == {names[name] for name in compared}
    assert all_of_them == set(names.values())
    assert one == {"NullHttp"}


def test_each_contender_has_rows_of_its_own(foreign: Any, tmp_path: Path) -> None:
    """Also: a target that does not say who it is may be loaded."""
    hosts = at(tmp_path, Fastapi=foreign.url, Litserve=foreign.url)

    found = rows(tmp_path, "Fastapi", "Litserve", hosts)

    assert set(found) == {"fastapi /predict", "litserve /predict"}
    assert all(row["num_requests"] for row in found.values())


def test_a_class_asks_as_its_contender_is_asked_in_a_study(foreign: Any, tmp_path: Path) -> None:
    found = rows(tmp_path, "TritonHttp", f"--host={foreign.url}")

    assert set(found) == {"triton-http /v2/models/text_classifier/infer"}


@pytest.mark.parametrize(
    ("classes", "wanted", "there"),
    [
        (("Fastapi", "Litserve"), "fastapi|litserve", "null-http"),
        (("Triton",), "triton", "null-grpc"),
    ],
    ids=["two at one host", "one"],
)
def test_a_class_refuses_the_server_of_another_contender_and_the_first_refusal_ends_the_test(
    classes: tuple[str, ...],
    wanted: str,
    there: str,
    null_server: Callable[[str], RunningServer],
) -> None:
    url = null_server(there).address.url

    done = locust(*classes, f"--host={url}", run_s=30)

    assert done.returncode == 2
    said = [
        line for line in (done.stdout + done.stderr).splitlines() if "/ERROR/locustfile: " in line
    ]
    assert len(said) == 1
    assert re.search(f"expected the contender ({wanted}) at {url}, found {there}: choose", said[0])
    assert "/predict" not in done.stdout + done.stderr  # no row: nothing was sent
    assert "ModelInfer" not in done.stdout + done.stderr


def test_a_class_loads_its_own_contender(
    null_server: Callable[[str], RunningServer], tmp_path: Path
) -> None:
    http, grpc = (null_server(name).address.url for name in ("null-http", "null-grpc"))
    hosts = at(tmp_path, NullHttp=http, NullGrpc=grpc)

    found = rows(tmp_path, "NullHttp", "NullGrpc", hosts)

    assert set(found) == {"null-http /predict", "null-grpc ModelInfer"}
    assert all(row["num_requests"] and not row["num_failures"] for row in found.values())


def test_a_dead_host_is_tried_once_a_second_and_named(tmp_path: Path) -> None:
    port = free_ports(()).main
    hosts = at(tmp_path, Fastapi=f"http://127.0.0.1:{port}", Triton=f"grpc://127.0.0.1:{port}")

    found = failures("Fastapi", "Triton", hosts)

    (grpc,) = (text for text in found if "triton ModelInfer" in text)
    (http,) = (text for text in found if "fastapi /predict" in text)
    assert f"no answer from 127.0.0.1:{port}: connection refused or lost" in grpc
    assert f"no answer from http://127.0.0.1:{port}: " in http
    assert max(found.values()) <= 3


def test_a_request_has_failed_after_the_timeout_over_http_too() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # it never accepts
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        found = failures("Fastapi", f"--host={url}", "--timeout=0.2")

    (error,) = found
    assert error.startswith(f"POST fastapi /predict: no answer from {url}: ")
    assert error.endswith("timed out")


@pytest.mark.parametrize("given", ["0", "nan"])
def test_a_timeout_that_is_none_is_refused(given: str) -> None:
    done = locust(f"--timeout={given}")

    assert done.returncode == 2
    assert f"expected seconds above 0, found {given}" in done.stderr
