"""`study metrics`: where the metrics are, and what a running server says."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from typer.testing import CliRunner, Result

from servers.http_service import Counters
from study import app


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["metrics", *arguments])


@pytest.fixture
def server() -> Iterator[HTTPServer]:
    counters = Counters()
    counters.metrics.request_begins()
    for duration_s in (0.02, 0.02, 0.04):
        counters.metrics.request_ends(("/predict", "200"), duration_s, "", was_in_flight=False)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            text = counters.metrics.text("mine") if self.path == "/metrics" else b"{}"
            self.send_response(200)
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as served:
        thread = threading.Thread(target=served.serve_forever)
        thread.start()
        yield served
        served.shutdown()
        thread.join()


def test_each_contender_has_its_address_and_names() -> None:
    lines = {line.split()[0]: line for line in run().stdout.splitlines() if line.startswith("  ")}
    assert "http://127.0.0.1:8010/metrics" in lines["fastapi"]
    assert "inference_queue" not in lines["fastapi"]
    assert "http_server_request_errors_total" in lines["fastapi"]
    assert "inference_queue_duration_seconds" in lines["fastapi-batched"]
    assert "gateway_canary_failing" in lines["hybrid"]
    assert "http://127.0.0.1:8002/metrics" in lines["triton"]
    assert "none" in lines["null-http"]


def test_only_those_named_are_shown() -> None:
    done = run("triton")
    assert [line.split()[0] for line in done.stdout.splitlines() if line.startswith("  ")] == [
        "triton"
    ]
    assert run("tritan").exit_code == 2


def test_a_running_server_shows_its_values(server: HTTPServer) -> None:
    done = run("--url", f"http://127.0.0.1:{server.server_port}")
    assert done.exit_code == 0, done.output
    (duration,) = [line for line in done.stdout.splitlines() if "duration" in line]
    assert "code=200, contender=mine, route=/predict" in duration
    assert duration.endswith("3, mean 0.0267, 99 % at most 0.05")
    (in_flight,) = [line for line in done.stdout.splitlines() if "in_flight" in line]
    assert in_flight.split()[-1] == "1"


def test_what_is_no_metrics_is_said_so(server: HTTPServer) -> None:
    for url, found in (
        (f"http://127.0.0.1:{server.server_port}/stats", "another text"),
        ("http://127.0.0.1:9/", "refused"),
        ("no url", "unknown url type"),
    ):
        done = run("--url", url)
        assert done.exit_code == 2
        assert "study: expected metrics for Prometheus at" in done.stderr
        assert found in done.stderr
