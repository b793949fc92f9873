"""What every HTTP contender with a model shows to Prometheus, counted over some requests."""

import subprocess
import urllib.request
from shutil import which
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from servers.discovery import Contender
from servers.metric_places import metrics_of

N_REQUESTS = 5


def applies_to(contender: Contender) -> bool:
    own = contender.protocol == "http-json" and contender.wire is None
    return own and contender.engine != "none"


def _text(server: Any) -> str:
    with urllib.request.urlopen(f"http://{server.address}/metrics", timeout=30) as answer:
        said: str = answer.read().decode()
    return said


def _samples(server: Any) -> dict[str, float]:
    families: Any = text_string_to_metric_families(_text(server))
    return {
        f"{each.name} {' '.join(v for k, v in sorted(each.labels.items()) if k != 'contender')}": (
            each.value
        )
        for family in families
        for each in family.samples
        if each.labels["contender"] == server.started_as
    }


def test_requests_batches_and_waits_are_measured(server: Any) -> None:
    client = server.client()
    client.classify("a")
    before, texts_before = _samples(server), client.counters()["inferences"]
    for _ in range(N_REQUESTS):
        client.classify("我的快递到哪里了")
    client.send("/predict", b"{not json")
    after = _samples(server)

    def grown(sample: str) -> float:
        return after.get(sample, 0.0) - before.get(sample, 0.0)

    requests = "http_server_request_duration_seconds_count"
    assert grown(f"{requests} 200 /predict") == N_REQUESTS
    assert grown(f"{requests} 422 /predict") == 1
    assert grown("http_server_request_errors_total invalid") == 1
    assert after["http_server_in_flight_requests "] == 0
    if "inference_batch_size_sum " in after:
        texts = client.counters()["inferences"] - texts_before
        assert grown("inference_batch_size_sum ") == texts == N_REQUESTS
    if "inference_queue_duration_seconds_count " in after:
        assert grown("inference_queue_duration_seconds_count ") == N_REQUESTS
        assert after["inference_queue_requests "] == 0


def test_it_has_the_metrics_that_study_metrics_says(server: Any) -> None:
    server.client().classify("a")
    families: Any = text_string_to_metric_families(_text(server))
    assert {family.name for family in families} == {m.name for m in metrics_of(server.contender)}


@pytest.mark.skipif(
    which("promtool") is None, reason="promtool is not installed (Debian's prometheus)"
)
def test_promtool_finds_nothing_wrong(server: Any) -> None:
    server.client().classify("a")
    done = subprocess.run(
        ["promtool", "check", "metrics"],
        input=_text(server),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
