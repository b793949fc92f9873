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
TOLD_BACK_OFF_S = 0.9
"""The second of a user without a connection, and what its clocks may differ by."""


ENDING = """
import gevent, json
from locust import events

@events.init.add_listener
def listen(environment, **_):
    def end_at_enough(**_):
        rows, errors = environment.stats.entries.values(), environment.stats.errors.values()
        if len(rows) == {n_rows} and min(row.num_requests for row in rows) >= {n_requests}:
            environment.events.request.remove_listener(end_at_enough)
            found = [row.serialize() for row in rows], [error.to_name() for error in errors]
            with open({file!r}, "w") as file:
                json.dump(found, file)
            gevent.spawn(environment.runner.quit)

    environment.events.request.add_listener(end_at_enough)
"""
"""A second Locust file: it ends the test by what was counted, however slow the machine is."""


def locust(*arguments: str, files: str = LOCUST_FILE) -> subprocess.CompletedProcess[str]:
    how = ("--headless", "--only-summary", "--users=2", "--spawn-rate=2", "--run-time=50s")
    command = [sys.executable, "-m", "loadtests.generator.locust_command", "-f", files, *how]
    return subprocess.run(
        [*command, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60
    )


def counted(
    folder: Path, *arguments: str, n_rows: int = 1, n_requests: int = 1
) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Locust's statistics by name, and its errors, once so many rows have so many requests each."""
    ending, file = folder / "ending.py", folder / "found.json"
    ending.write_text(ENDING.format(n_rows=n_rows, n_requests=n_requests, file=str(file)))
    done = locust(*arguments, files=f"{LOCUST_FILE},{ending}")
    assert file.exists(), done.stdout + done.stderr
    rows, errors = json.loads(file.read_text())
    return {row["name"]: row for row in rows}, errors


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

    rows, _ = counted(tmp_path, "Fastapi", "Litserve", hosts, n_rows=2)

    assert set(rows) == {"fastapi /predict", "litserve /predict"}


def test_a_class_asks_as_its_contender_is_asked_in_a_study(foreign: Any, tmp_path: Path) -> None:
    rows, _ = counted(tmp_path, "TritonHttp", f"--host={foreign.url}")

    assert set(rows) == {"triton-http /v2/models/text_classifier/infer"}


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

    done = locust(*classes, f"--host={url}")

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

    rows, errors = counted(tmp_path, "NullHttp", "NullGrpc", hosts, n_rows=2)

    assert set(rows) == {"null-http /predict", "null-grpc ModelInfer"}
    assert errors == []


def test_a_dead_host_is_tried_once_a_second_and_named(tmp_path: Path) -> None:
    port = free_ports(()).main
    hosts = at(tmp_path, Fastapi=f"http://127.0.0.1:{port}", Triton=f"grpc://127.0.0.1:{port}")

    rows, errors = counted(tmp_path, "Fastapi", "Triton", hosts, n_rows=2, n_requests=2)

    (grpc,) = (text for text in errors if "triton ModelInfer" in text)
    (http,) = (text for text in errors if "fastapi /predict" in text)
    assert f"no answer from 127.0.0.1:{port}: connection refused or lost" in grpc
    assert f"no answer from http://127.0.0.1:{port}: " in http
    for row in rows.values():
        lasted_s = row["last_request_timestamp"] - row["start_time"]
        assert 2 <= row["num_requests"] <= 1 + lasted_s / TOLD_BACK_OFF_S


def test_a_request_has_failed_after_the_timeout_over_http_too(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # it never accepts
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        _, (error,) = counted(tmp_path, "Fastapi", f"--host={url}", "--timeout=0.2")

    assert error.startswith(f"POST fastapi /predict: no answer from {url}: ")
    assert error.endswith("timed out")


@pytest.mark.parametrize("given", ["0", "nan"])
def test_a_timeout_that_is_none_is_refused(given: str) -> None:
    done = locust(f"--timeout={given}")

    assert done.returncode == 2
    assert f"expected seconds above 0, found {given}" in done.stderr
