"""A null server and a little traffic, for everything that needs a live contender."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from loadtests.arrivals import Schedule
from loadtests.assignment import Assignment
from loadtests.launch import RunningServer, launched
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


@pytest.fixture
def assign(traffic_file: Path, tmp_path: Path) -> Callable[..., Assignment]:
    """An assignment against a running server, its files in tmp_path."""

    def make(server: RunningServer, schedule: Schedule, **changes: object) -> Assignment:
        schedule.save(tmp_path / "schedule.npz")
        fields: dict[str, object] = {
            "protocol": server.address.protocol,
            "host": server.address.host,
            "port": server.address.port,
            "mode": "open" if len(schedule.times_s) else "closed",
            "concurrency": 4,
            "warmup_s": 0.5,
            "steady_s": 1.0,
            "timeout_s": 3.0,
            "workers": 1,
            "traffic": str(traffic_file),
            "schedule": str(tmp_path / "schedule.npz"),
            "out_dir": str(tmp_path),
        }
        return Assignment(**(fields | changes))  # type: ignore[arg-type]

    return make
