"""Prometheus asks services that exist; Grafana shows fields that somebody measures."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
import yaml

from servers.discovery import discover
from servers.metric_places import metrics_of

Merge = Callable[..., dict[str, Any]]


@pytest.fixture
def monitored(project: Merge) -> dict[str, Any]:
    return project("triton.yaml", "monitoring.yaml", profile="gpu")


@pytest.fixture
def dashboard(compose_dir: Path) -> dict[str, Any]:
    text = (compose_dir / "grafana/dashboards/triton.json").read_text()
    return dict(json.loads(text))


def _yaml(path: Path) -> dict[str, Any]:
    return dict(yaml.safe_load(path.read_text()))


def test_prometheus_scrapes_the_ports_that_services_open(
    compose_dir: Path,
    monitored: dict[str, Any],
    network_names: Callable[[dict[str, Any]], set[str]],
) -> None:
    config = _yaml(compose_dir / "prometheus/prometheus.yml")
    targets = {
        target
        for job in config["scrape_configs"]
        for entry in job.get("static_configs", ())
        for target in entry["targets"]
    }
    assert {target.split(":")[0] for target in targets} <= network_names(monitored)
    flags = monitored["services"]["triton-gpu"]["command"]
    (port,) = (flag.split("=")[1] for flag in flags if flag.startswith("--metrics-port="))
    assert targets == {f"triton:{port}", "dcgm-exporter:9400"}


def test_prometheus_looks_for_every_contender_with_a_model_by_its_service(
    compose_dir: Path,
) -> None:
    config = _yaml(compose_dir / "prometheus/prometheus.yml")
    (searched,) = [
        entry for job in config["scrape_configs"] for entry in job.get("dns_sd_configs", ())
    ]
    assert set(searched["names"]) == {
        name for name, contender in discover().items() if metrics_of(contender)
    }
    for name in searched["names"]:
        (command,) = [
            service["command"]
            for key, service in _yaml(compose_dir / f"{name}.yaml")["services"].items()
            if key == name
        ]
        assert f"--port={searched['port']}" in command


def test_rules_are_mounted_where_the_configuration_looks(
    compose_dir: Path, monitored: dict[str, Any]
) -> None:
    (rules,) = _yaml(compose_dir / "prometheus/prometheus.yml")["rule_files"]
    mounts = monitored["services"]["prometheus"]["volumes"]
    assert f"./prometheus/{rules}:/etc/prometheus/{rules}:ro" in mounts


def test_sources_are_measured_as_often_as_they_are_scraped(
    compose_dir: Path, monitored: dict[str, Any]
) -> None:
    config = _yaml(compose_dir / "prometheus/prometheus.yml")
    assert config["global"]["scrape_interval"] == "1s"
    services = monitored["services"]
    assert services["dcgm-exporter"]["environment"]["DCGM_EXPORTER_INTERVAL"] == "1000"
    assert "--metrics-interval-ms=1000" in services["triton-gpu"]["command"]


def test_grafana_reads_from_the_provisioned_prometheus(
    compose_dir: Path, monitored: dict[str, Any]
) -> None:
    folder = compose_dir / "grafana/provisioning/datasources"
    (source,) = _yaml(folder / "prometheus.yml")["datasources"]
    host = source["url"].removeprefix("http://").split(":")[0]
    assert host in monitored["services"]
    boards = [
        json.loads(path.read_text()) for path in (compose_dir / "grafana/dashboards").glob("*.json")
    ]
    assert {board["uid"] for board in boards} == {"study-overview", "study-triton"}
    for board in boards:
        used = set(re.findall(r'"uid": "([^"]+)"', json.dumps(board["panels"])))
        assert used == {source["uid"]}
        assert "__inputs" not in board  # file provisioning cannot fill them in


def test_grafana_finds_the_dashboard_where_it_is_mounted(
    compose_dir: Path, monitored: dict[str, Any]
) -> None:
    folder = compose_dir / "grafana/provisioning/dashboards"
    (provider,) = _yaml(folder / "study.yml")["providers"]
    mounts = monitored["services"]["grafana"]["volumes"]
    assert f"./grafana/dashboards:{provider['options']['path']}:ro" in mounts


def _expressions(dashboard: dict[str, Any]) -> str:
    return " ".join(target["expr"] for panel in dashboard["panels"] for target in panel["targets"])


def test_the_dashboard_shows_only_gpu_counters_that_are_collected(
    compose_dir: Path, dashboard: dict[str, Any]
) -> None:
    rows = (compose_dir / "dcgm/counters.csv").read_text().splitlines()
    collected = {row.split(",")[0] for row in rows if not row.startswith("#")}
    shown = set(re.findall(r"DCGM_\w+", _expressions(dashboard)))
    assert {"DCGM_FI_PROF_SM_ACTIVE", "DCGM_FI_PROF_PIPE_TENSOR_ACTIVE"} <= shown <= collected


@pytest.mark.live
def test_the_dashboard_shows_only_counters_that_triton_exports(
    dashboard: dict[str, Any], shared_triton: Any
) -> None:
    shown = set(re.findall(r"nv_\w+", _expressions(dashboard)))
    assert "nv_inference_exec_count" in shown
    metrics = f"http://127.0.0.1:{shared_triton.ports.extra['metrics']}/metrics"
    with urlopen(metrics, timeout=10) as answer:
        exported = set(re.findall(r"^(nv_\w+)", answer.read().decode(), re.MULTILINE))
    assert shown <= exported


def test_every_dcgm_row_has_a_name_a_type_and_a_help(compose_dir: Path) -> None:
    rows = (compose_dir / "dcgm/counters.csv").read_text().splitlines()
    for row in rows:
        if not row.startswith("#"):
            assert re.fullmatch(r"DCGM_FI_\w+, (gauge|counter), [^,]+(, [^,]+)*", row), row


def test_profiling_counters_come_with_the_right_to_read_them(monitored: dict[str, Any]) -> None:
    exporter = monitored["services"]["dcgm-exporter"]
    assert exporter["cap_add"] == ["SYS_ADMIN"]
    (mount,) = exporter["volumes"]
    assert mount.split(":")[1] == exporter["environment"]["DCGM_EXPORTER_COLLECTORS"]
