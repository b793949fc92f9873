"""A new version of the classifier under load: loaded into Triton, or by restarting FastAPI.

Both serve the study's small model with ONNX Runtime, and get the same steady calls over HTTP.
"""

import json
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from loadtests.host.cores import available_cores
from loadtests.launch.artefacts import Artefacts, prepare
from loadtests.launch.server import HOST, free_ports, launched
from loadtests.records.percentiles import least_successes, percentile_ms
from loadtests.records.questions import Case
from loadtests.records.seed import SEED
from loadtests.selfcheck.steady_calls import Call, SteadyCalls
from loadtests.selfcheck.triton_bench import Bench, bench
from loadtests.wire.address import Address
from servers.contract import MODEL_NAME
from servers.discovery import discover
from servers.triton_service.config import RepositorySpec
from servers.triton_service.plain_paths import plain_path
from servers.triton_service.repository import count_labels, write_repository

CACHE = Path(".cache") / "artefacts"
RATE_RPS = 100.0
BEFORE_S = least_successes(99) / RATE_RPS + 1
MOST_ROLLOUTS = 12
N_RESTARTS = 3
BETWEEN_S = 1.0
FASTAPI = "fastapi-onnx"


def rollout(work: Path) -> Iterator[Case]:
    artefacts = prepare("small", None, SEED, CACHE)
    yield from _triton(artefacts, work)
    yield from _fastapi(artefacts, work)


def _triton(artefacts: Artefacts, work: Path) -> Iterator[Case]:
    """Version 2 comes and goes: a roll-out and a roll-back in turn."""
    model_dir = plain_path(artefacts.model_dir.absolute(), work / "links")
    spec = RepositorySpec(
        form="embedded", n_labels=count_labels(model_dir), model_dir=model_dir, ensemble=False
    )
    write_repository(work / "repository", spec)
    text = artefacts.texts[0].text
    tensor = {"name": "TEXT", "shape": [1, 1], "datatype": "BYTES", "data": [text]}
    body = json.dumps({"inputs": [tensor]}).encode()
    with bench(work, (), (f"--load-model={MODEL_NAME}",)) as running:
        assert running.ports.http is not None
        where = Address("http-json", HOST, running.ports.http)
        path = f"/v2/models/{MODEL_NAME}/infer"
        with SteadyCalls(where, body, RATE_RPS, path=path) as calls:
            time.sleep(BEFORE_S)
            changes = _changes(running, calls)
    before_s = changes[0][1]
    yield _case("Triton, before", [c for c in calls.calls if c.due_s < before_s], 0.0)
    for name in ("roll-out", "roll-back"):
        spans = [(a, b) for which, a, b, _ in changes if which == name]
        seen = [c for c in calls.calls if any(a <= c.due_s < b for a, b in spans)]
        found = _case(f"Triton, {name}", seen, sum(b - a for a, b in spans) / len(spans))
        versions = Counter(f"then serves {said}" for which, _, _, said in changes if which == name)
        yield found.model_copy(update={"said": found.said | dict(versions)})
    seen = [c for c in calls.calls if any(a <= c.due_s < b for _, a, b, _ in changes)]
    yield _case("Triton, both", seen, sum(b - a for _, a, b, _ in changes) / len(changes))


def _changes(running: Bench, calls: SteadyCalls) -> list[tuple[str, float, float, str]]:
    """Name, begin, end and what is served then, until enough calls fell into them for a P99."""
    one, two = (running.repository / MODEL_NAME / version for version in ("1", "2"))
    steps: dict[str, Callable[[], object]] = {
        "roll-out": lambda: shutil.copytree(one, two),
        "roll-back": lambda: shutil.rmtree(two),
    }
    found: list[tuple[str, float, float, str]] = []
    while len(found) < MOST_ROLLOUTS and _seconds(found) * RATE_RPS < 1.1 * least_successes(99):
        for name, step in steps.items():
            step()
            began_s = calls.now_s()
            loaded = running.load(MODEL_NAME)
            time.sleep(BETWEEN_S)  # the old version answers what it had begun, and goes
            versions = ", ".join(running.client.get_model_metadata(MODEL_NAME).versions)
            found.append((name, began_s, calls.now_s(), f"version {versions} ({loaded})"))
    return found


def _seconds(changes: Sequence[tuple[str, float, float, str]]) -> float:
    return sum(ended_s - began_s for _, began_s, ended_s, _ in changes)


def _fastapi(artefacts: Artefacts, work: Path) -> Iterator[Case]:
    contender = discover()[FASTAPI]
    ports = free_ports(contender.extra_ports)
    body = json.dumps({"text": artefacts.texts[0].text}).encode()
    spans: list[tuple[float, float]] = []
    with SteadyCalls(Address("http-json", HOST, ports.main), body, RATE_RPS) as calls:
        began_s = calls.now_s()
        for number in range(N_RESTARTS + 1):
            with launched(
                contender,
                model_dir=artefacts.model_dir,
                cores=available_cores(),
                log=work / "fastapi.log",
                ports=ports,
            ):
                spans.append((began_s, calls.now_s() + BETWEEN_S))
                time.sleep(BETWEEN_S + (0 if number else BEFORE_S))
                began_s = calls.now_s()
    first, *restarts = spans
    steady = [c for c in calls.calls if first[1] <= c.due_s < restarts[0][0]]
    yield _case("FastAPI, before", steady, 0.0)
    seen = [c for c in calls.calls if any(a <= c.due_s < b for a, b in restarts)]
    took_s = sum(b - a for a, b in restarts) / len(restarts)
    yield _case(f"FastAPI, restart ({N_RESTARTS} times)", seen, took_s)


def _case(name: str, calls: Sequence[Call], took_s: float) -> Case:
    answered = [call.took_s for call in calls if call.status == "200"]
    return Case(
        case=name,
        values={
            "calls": float(len(calls)),
            "failed": float(len(calls) - len(answered)),
            "took_s": took_s or None,
            "p50_ms": percentile_ms(np.array(answered), 50),
            "p99_ms": percentile_ms(np.array(answered), 99),
        },
        said=dict(Counter(call.status for call in calls).most_common()),
    )
