"""A null server, a foreign service and a little traffic, for what needs a live contender."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from loadtests.generator.schedule import Schedule
from loadtests.generator.slice_order import SliceOrder
from loadtests.launch.server import RunningServer, launched
from loadtests.measure.locust_process import LoadGenerator, load_generator, slice_order
from loadtests.records.trials import Level, Phases
from servers.discovery import discover


@pytest.fixture(scope="session")
def traffic_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("traffic") / "traffic.jsonl"
    entries = [
        {"text_id": k, "text": f"hello {k}", "n_tokens": 4, "label": "null", "confidence": 1.0}
        for k in range(20)
    ]
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def null_server(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[[str], RunningServer]]:
    """Starts null-http or null-grpc once for all tests."""
    folder = tmp_path_factory.mktemp("null")
    running: dict[str, RunningServer] = {}
    with ExitStack() as stack:

        def start(name: str) -> RunningServer:
            if name not in running:
                log = folder / f"{name}.log"
                contender = discover()[name]
                running[name] = stack.enter_context(
                    launched(contender, model_dir=folder, cores=(), log=log)
                )
            return running[name]

        yield start


@pytest.fixture(scope="session")
def generator(
    traffic_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LoadGenerator]:
    """One Locust for all tests that leave it as it is."""
    log = tmp_path_factory.mktemp("generator") / "locust.log"
    with load_generator(traffic_file, (), 1, log) as generator:
        yield generator


@pytest.fixture(scope="session")
def order_of() -> Callable[..., SliceOrder]:
    """A slice against a running server, for such a schedule."""

    def make(server: RunningServer, schedule: Schedule, **changes: Any) -> SliceOrder:
        made = slice_order(
            server.address,
            Level("open", rate_rps=60.0)
            if len(schedule.times_s)
            else Level("closed", concurrency=4),
            Phases(warmup_s=0.5, steady_s=1.0),
            own_cores=False,
            timeout_s=3.0,
        )
        return replace(made, **changes)

    return make


@dataclass
class Foreign:
    """A classifier of another shape: {"inputs": [text]} -> {"predictions": [{"label": ...}]}."""

    url: str = ""
    seen: list[tuple[dict[str, str], str]] = field(default_factory=list)
    label_of: Callable[[str], str] = lambda text: f"class of {text}"
    reply: tuple[int, dict[str, str], bytes] | None = None

    def answer(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, Any, bytes]:
        if path != "/v1/classify":
            return 404, {}, b"no such page"
        (text,) = json.loads(body)["inputs"]
        self.seen.append((headers, text))
        if self.reply:
            return self.reply
        found = {"predictions": [{"label": self.label_of(text), "score": 0.25}]}
        return 200, {}, json.dumps(found).encode()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    foreign: Foreign

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        status, headers, content = self.foreign.answer(self.path, dict(self.headers), body)
        self.send_response(status)
        for name, value in {**headers, "content-length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def foreign() -> Iterator[Foreign]:
    service = Foreign()
    handler = type("Handler", (_Handler,), {"foreign": service})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        service.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield service
        server.shutdown()
        thread.join()
