"""Which alert fires when, as promtool evaluates the rules over made-up series."""

import subprocess
from pathlib import Path
from shutil import which
from typing import Any

import pytest
import yaml

pytestmark = pytest.mark.skipif(
    which("promtool") is None, reason="no promtool on the PATH (apt-get install prometheus)"
)
BUCKET = (
    "http_server_request_duration_seconds_bucket"
    '{contender="a",route="/predict",code="200",le="0.05"}'
)
COUNT = 'http_server_request_duration_seconds_count{contender="a",route="/predict",code="200"}'
FAILED = 'http_server_request_duration_seconds_count{contender="a",route="/predict",code="503"}'
UP = 'up{instance="i"}'
PENDING = 'nv_inference_pending_request_count{instance="i",model="m"}'
SUCCESS = 'nv_inference_request_success{instance="i",model="m"}'
FAILURE = 'nv_inference_request_failure{instance="i",model="m",reason="BACKEND"}'
IN_FLIGHT = 'http_server_in_flight_requests{contender="a"}'
CANARY = 'gateway_canary_failing{instance="i",contender="hybrid"}'


def rising(step: int, first: int = 0) -> str:
    """Values 5 s apart, for over an hour, as promtool writes them."""
    return f"{first}+{step}x800"


CASES: dict[str, tuple[dict[str, str], set[str]]] = {
    "all in time": ({BUCKET: rising(100), COUNT: rising(100)}, set()),
    "10 % late": ({BUCKET: rising(90), COUNT: rising(100)}, {"SloBurnsSlowly"}),
    "30 % late": (
        {BUCKET: rising(70), COUNT: rising(100)},
        {"SloBurnsFast", "SloBurnsSlowly"},
    ),
    "nothing but failures": ({FAILED: rising(100)}, {"SloBurnsFast", "SloBurnsSlowly"}),
    "late once, an hour before": (
        {BUCKET: "0+0x100 0+100x700", COUNT: rising(100)},
        set(),
    ),
    "a long queue that does not grow": ({IN_FLIGHT: rising(0, 100)}, set()),
    "a queue that grows": ({IN_FLIGHT: rising(5)}, {"QueueGrows"}),
    "a queue of Triton that grows": ({PENDING: rising(5)}, {"TritonQueueGrows"}),
    "a canary that fails, of a gateway that answers": (
        {CANARY: rising(0, 1), UP: rising(0, 1)},
        {"CanaryFails"},
    ),
    "a gateway that is gone": ({CANARY: rising(0, 1), UP: rising(0, 0)}, set()),
    "a Triton that fails all": (
        {FAILURE: rising(5), SUCCESS: rising(0, 0), UP: rising(0, 1)},
        {"TritonFailsAll"},
    ),
    "a Triton that fails some": (
        {FAILURE: rising(5), SUCCESS: rising(5), UP: rising(0, 1)},
        set(),
    ),
    "a Triton that answers none of those that wait": (
        {PENDING: rising(0, 3), SUCCESS: rising(0, 7), UP: rising(0, 1)},
        {"TritonAnswersNone"},
    ),
    "a busy Triton": ({PENDING: rising(0, 3), SUCCESS: rising(9), UP: rising(0, 1)}, set()),
}


def _promtool(*arguments: str) -> None:
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", CASES)
def test_the_alerts_that_fire_are_those_meant(name: str, compose_dir: Path, tmp_path: Path) -> None:
    series, firing = CASES[name]
    asked = {
        "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
        "eval_time": "1h",
        "exp_samples": [
            {"labels": f'{{alertname="{alert}"}}', "value": 1} for alert in sorted(firing)
        ],
    }
    test: dict[str, Any] = {
        "interval": "5s",
        "input_series": [{"series": each, "values": said} for each, said in series.items()],
        "promql_expr_test": [asked],
    }
    file = tmp_path / "test.yml"
    rules = str(compose_dir / "prometheus/rules.yml")
    file.write_text(
        yaml.safe_dump({"rule_files": [rules], "evaluation_interval": "5s", "tests": [test]})
    )
    _promtool("test", "rules", str(file))


def test_every_alert_fires_in_some_case(compose_dir: Path) -> None:
    rules = yaml.safe_load((compose_dir / "prometheus/rules.yml").read_text())
    alerts = {
        rule["alert"] for group in rules["groups"] for rule in group["rules"] if "alert" in rule
    }
    assert alerts == set().union(*(firing for _, firing in CASES.values()))


def test_promtool_finds_nothing_wrong(compose_dir: Path) -> None:
    _promtool("check", "config", str(compose_dir / "prometheus/prometheus.yml"))
    _promtool("check", "rules", str(compose_dir / "prometheus/rules.yml"))
