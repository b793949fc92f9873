"""Who waits, and who is refused in which words, when more is asked than a model can do."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np

from loadtests.records.questions import Case
from loadtests.selfcheck.question_models import QUEUE_PLACES, QUEUE_TIMEOUT_US
from loadtests.selfcheck.triton_bench import ANSWERED, Bench, json_request
from loadtests.selfcheck.triton_load import case, closed_loop

LASTING_S = 5.0
N_HIGH, N_LOW = 4, 28
"""Callers of each class: together about seven times what the model holds in a batch."""
AT_ONCE = 24
REFUSED = 'nv_inference_request_failure{model="%s",reason="REJECTED"'


def two_classes(bench: Bench) -> Iterator[Case]:
    """The same callers, told apart by the server or not."""
    together = N_HIGH + N_LOW
    bench.load("one-class")
    asked = closed_loop(lambda _: bench.ask("one-class"), together, LASTING_S)
    yield case(f"no levels, {together} callers", asked, LASTING_S)
    bench.load("two-classes")

    def ask(number: int) -> str:
        return bench.ask("two-classes", priority=1 if number < N_HIGH else 2)

    asked = closed_loop(ask, together, LASTING_S)
    first = [each for each in asked if each.caller < N_HIGH]
    others = [each for each in asked if each.caller >= N_HIGH]
    yield case(f"level 1, {N_HIGH} callers", first, LASTING_S)
    yield case(f"level 2, {N_LOW} callers beside them", others, LASTING_S)


def queue_policy(bench: Bench) -> Iterator[Case]:
    """AT_ONCE requests at once for a model that takes one at a time, over gRPC and over HTTP."""
    timeout = f"{QUEUE_TIMEOUT_US // 1000} ms"
    named = {
        "no bound": "unbounded",
        f"max_queue_size {QUEUE_PLACES}": "few-places",
        f"timeout {timeout}, REJECT": "rejects",
        f"timeout {timeout}, DELAY": "delays",
    }
    for name, model in named.items():
        bench.load(model)
        bench.ask(model)
        counted = _refused(bench, model)
        yield _at_once(f"{name}, gRPC", partial(bench.ask, model))
        yield _at_once(f"{name}, HTTP", partial(_http, bench, model))
        yield Case(
            case=f"{name}, counted by Triton as REJECTED",
            values={"requests": _refused(bench, model) - counted},
        )


def _at_once(name: str, ask: Callable[[], str]) -> Case:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        waiting = [pool.submit(ask) for _ in range(AT_ONCE)]
    said = Counter(each.result() for each in waiting)
    return Case(case=name, said=dict(said.most_common()))


def _http(bench: Bench, model: str) -> str:
    body, headers = json_request(np.zeros((1, 4), np.int64))
    status, _, reply = bench.http(f"/v2/models/{model}/infer", body, headers)
    return ANSWERED if status == 200 else f"HTTP {status}: {json.loads(reply)['error']}"


def _refused(bench: Bench, model: str) -> float:
    """Triton's own count of requests that it refused."""
    lines = [line for line in bench.metrics().splitlines() if line.startswith(REFUSED % model)]
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines)
