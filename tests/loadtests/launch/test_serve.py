"""The ports at which a person finds a contender, and what that person hears of it."""

import io
import json
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from rich.console import Console

from loadtests.launch import serve
from loadtests.launch.artefacts import Artefacts
from loadtests.launch.serve import ServeError, curl_line, default_ports, serve_until_stopped
from loadtests.launch.server import CANARY_TEXT, Ports, RunningServer
from loadtests.wire.address import Address
from servers.discovery import discover


def test_contenders_served_at_the_same_time_have_ports_of_their_own() -> None:
    ports = [default_ports(each, None) for each in discover().values()]
    numbers = [number for each in ports for number in (each.main, *each.extra.values())]
    assert len(numbers) > len(ports)
    assert len(set(numbers)) == len(numbers)


def test_a_contender_gets_tritons_customary_ports() -> None:
    ports = default_ports(discover()["triton"], None)
    assert (ports.main, ports.extra["metrics"]) == (8001, 8002)


@pytest.mark.parametrize("name", ["triton-http", "triton-http-binary"])
def test_a_person_asks_triton_in_json_whatever_its_load_is_asked_in(name: str) -> None:
    line = curl_line(_running(name))
    assert line is not None
    assert "http://127.0.0.1:1/v2/models/text_classifier/infer" in line
    body = shlex.split(line)[-1]
    assert json.loads(body)["inputs"][0]["data"] == [CANARY_TEXT]


@pytest.mark.parametrize("name", ["triton", "null-grpc"])
def test_there_is_no_curl_line_for_grpc(name: str) -> None:
    assert curl_line(_running(name)) is None


def _running(name: str) -> RunningServer:
    contender = discover()[name]
    address = Address.of(contender, "127.0.0.1", 1)
    return RunningServer(contender, address, Ports(1, {}), None, Path("log"))


@pytest.mark.parametrize(
    ("name", "port", "found"),
    [
        ("fastapi", 99_999, 99_999),
        ("fastapi", 0, 0),
        ("fastapi", -1, -1),
        ("triton", 65_535, 65_536),  # its metrics port is the next one
        ("hybrid", 65_535, 65_536),
    ],
)
def test_a_port_that_is_none_is_refused_in_one_sentence(name: str, port: int, found: int) -> None:
    with pytest.raises(
        ServeError, match=f"for {name}, found {found}: give another --port"
    ) as caught:
        default_ports(discover()[name], port)
    assert "\n" not in str(caught.value)


def test_the_highest_port_is_one() -> None:
    assert default_ports(discover()["fastapi"], 65_535).main == 65_535


def test_a_person_hears_once_of_each_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    contender = discover()["null-http"]
    log = tmp_path / "log"
    log.touch()

    class Restarting(RunningServer):
        looks = 0

        def alive(self) -> bool:
            self.looks += 1
            return self.looks < 6

        def restarts(self) -> tuple[str, ...]:
            return ("[it] died", "it is back")[: self.looks // 2]

    @contextmanager
    def launched(*_: object, ports: Ports, **__: object) -> Iterator[RunningServer]:
        yield Restarting(contender, Address("http-json", "127.0.0.1", 1), ports, None, log)

    monkeypatch.setattr(serve, "launched", launched)
    monkeypatch.setattr(serve, "busy_port", lambda _: None)
    monkeypatch.setattr(serve.time, "sleep", lambda _: None)
    said = io.StringIO()
    artefacts = Artefacts(tmp_path, tmp_path, (), {}, {})
    with pytest.raises(ServeError):
        serve_until_stopped(contender, artefacts, None, Console(file=said, width=200))
    assert said.getvalue().splitlines()[-2:] == ["[it] died", "it is back"]
