"""Every expression of boards and alerts, asked of a real Prometheus while contenders answer."""

import json
import math
import re
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from shutil import copy, which
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pytest
import yaml
from tritonclient.grpc import InferenceServerClient, InferInput

from loadtests.launch.server import free_ports
from servers.contract import MODEL_NAME

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(
        which("prometheus") is None,
        reason="no prometheus on the PATH (apt-get install prometheus)",
    ),
]
WITHIN_S = 40.0
NEEDS_A_GPU = "DCGM_"
"""What dcgm-exporter measures: it runs only beside an NVIDIA GPU."""


class Prometheus:
    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}/api/v1/query?"

    def ask(self, expression: str) -> list[float]:
        """The values found; none where Prometheus has no data."""
        try:
            with urllib.request.urlopen(self._url + urlencode({"query": expression})) as answer:
                found = json.load(answer)["data"]["result"]
        except urllib.error.HTTPError as error:
            pytest.fail(f"{expression}: {error.read().decode()}")
        values = [float(each["value"][1]) for each in found]
        return [value for value in values if not math.isnan(value)]

    def is_ready(self) -> bool:
        try:
            return bool(self.ask("up"))
        except OSError:
            return False


def _expressions(compose_dir: Path) -> Iterator[tuple[str, str]]:
    """Where each is from, and it: a condition as the 0 or 1 that it comes to, so that there is
    data whether it holds or not."""
    for board in sorted((compose_dir / "grafana/dashboards").glob("*.json")):
        for panel in json.loads(board.read_text())["panels"]:
            for target in panel["targets"]:
                yield f"{board.name}: {panel['title']}", target["expr"]
    rules = yaml.safe_load((compose_dir / "prometheus/rules.yml").read_text())
    for group in rules["groups"]:
        for rule in group["rules"]:
            condition = re.sub(r" (>|==) ", r" \1 bool ", rule["expr"])
            yield f"rules.yml: {rule.get('alert', rule.get('record'))}", condition


@pytest.fixture(scope="module")
def targets(
    start_contender: Callable[..., Any], shared_triton: Any, shared_hybrid: Any
) -> dict[str, list[str]]:
    batched = start_contender("fastapi-batched")
    batched.when(lambda: _status(batched.ports.main) == 200)
    main = [f"127.0.0.1:{each.ports.main}" for each in (batched, shared_hybrid)]
    return {"contenders": main, "triton": [f"127.0.0.1:{shared_triton.ports.extra['metrics']}"]}


def _status(port: int, path: str = "/health/ready", body: bytes | None = None) -> int:
    url = f"http://127.0.0.1:{port}{path}"
    request = urllib.request.Request(url, body, {"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


@pytest.fixture(scope="module")
def prometheus(
    compose_dir: Path, targets: dict[str, list[str]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Prometheus]:
    """With the study's own configuration and rules; only addresses are those of this machine."""
    folder = tmp_path_factory.mktemp("prometheus")
    config = yaml.safe_load((compose_dir / "prometheus/prometheus.yml").read_text())
    copy(compose_dir / "prometheus/rules.yml", folder)
    config["scrape_configs"] = [
        {"job_name": job["job_name"], "static_configs": [{"targets": targets[job["job_name"]]}]}
        for job in config["scrape_configs"]
        if job["job_name"] in targets
    ]
    file = folder / "prometheus.yml"
    file.write_text(yaml.safe_dump(config))
    port = free_ports([]).main
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                "prometheus",
                f"--config.file={file}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    running = Prometheus(port)
    try:
        _until(running.is_ready, (folder / "log").read_text)
        yield running
    finally:
        process.terminate()
        process.wait(30)


def _until(holds: Callable[[], bool], said: Callable[[], object]) -> None:
    end_s = time.monotonic() + WITHIN_S
    while not holds():
        assert time.monotonic() < end_s, said()
        time.sleep(0.5)


@pytest.fixture(scope="module")
def load(targets: dict[str, list[str]], shared_triton: Any) -> Iterator[None]:
    """A light one, for as long as the module's tests take."""
    over = threading.Event()
    ports = [int(target.split(":")[1]) for target in targets["contenders"]]

    def send() -> None:
        text = InferInput("TEXT", [1, 1], "BYTES")
        text.set_data_from_numpy(np.array([[b"a"]], dtype=np.object_))
        with InferenceServerClient(f"127.0.0.1:{shared_triton.ports.main}") as triton:
            while not over.wait(0.05):
                triton.infer(MODEL_NAME, [text])
                for port in ports:
                    _status(port, "/predict", b'{"text": "a"}')
                    _status(port, "/predict", b"{}")

    sender = threading.Thread(target=send)
    sender.start()
    yield
    over.set()
    sender.join(60)


@pytest.mark.usefixtures("load")
def test_every_expression_finds_data_under_load(compose_dir: Path, prometheus: Prometheus) -> None:
    wanted = [each for each in _expressions(compose_dir) if NEEDS_A_GPU not in each[1]]
    assert len(wanted) > 30

    def without() -> list[tuple[str, str]]:
        return [each for each in wanted if not prometheus.ask(each[1])]

    _until(lambda: not without(), without)


@pytest.mark.usefixtures("load")
def test_every_contender_is_scraped_and_answers_in_time(prometheus: Prometheus) -> None:
    assert prometheus.ask("min(up)") == [1.0]
    rate = "sum by (contender) (rate(http_server_request_duration_seconds_count{code='200'}[10s]))"
    _until(lambda: len(prometheus.ask(f"{rate} > 1")) == 2, lambda: prometheus.ask(rate))
    assert prometheus.ask("count(ALERTS{alertstate='firing', alertname=~'.*Fails.*'})") == []
