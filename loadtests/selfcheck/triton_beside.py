"""A light model beside a heavy one, cached answers, and a Python process that is dead."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from threading import Event

import psutil

from loadtests.records.questions import Case
from loadtests.selfcheck.triton_bench import LOADED, Bench
from loadtests.selfcheck.triton_load import case, closed_loop

LASTING_S = 4.0
N_HEAVY = 2
MORTAL = "mortal"
DEAD_S = 5.0
"""How long a caller of a dead model waits."""


def heavy_beside_light(bench: Bench) -> Iterator[Case]:
    """One caller of the light model, alone and beside callers who keep a core busy: in a model of
    their own, or in the same Python process."""
    for model in ("light", "heavy", "both"):
        bench.load(model)

    def light_beside(light: str, heavy: str | None) -> Case:
        stop = Event()

        def busy() -> None:
            while heavy and not stop.is_set():
                bench.ask(heavy, value=1)

        with ThreadPoolExecutor(N_HEAVY) as pool:
            for _ in range(N_HEAVY):
                pool.submit(busy)
            asked = closed_loop(lambda _: bench.ask(light), 1, LASTING_S)
            stop.set()
        beside = {None: "alone", light: "heavy requests in its own process"}
        return case(beside.get(heavy, "heavy model in another process"), asked, LASTING_S)

    yield light_beside("light", None)
    yield light_beside("light", "heavy")
    yield light_beside("both", "both")


def response_cache(bench: Bench) -> Iterator[Case]:
    """20 ms models: the same request again and again, and requests that are all different."""
    values = count(100)

    def repeated(model: str) -> Callable[[int], str]:
        return lambda _: bench.ask(model, value=7)

    def new_ones(model: str) -> Callable[[int], str]:
        return lambda _: bench.ask(model, value=next(values))

    for model in ("uncached", "cached"):
        bench.load(model)
        again = closed_loop(repeated(model), 1, 1.0)
        yield case(f"{model}, the same request", again, 1.0)
        new = closed_loop(new_ones(model), 1, 1.0)
        yield case(f"{model}, new requests", new, 1.0)
    loaded = bench.load("cached-ensemble")
    if loaded == LOADED:
        asked = closed_loop(repeated("cached-ensemble"), 1, 1.0)
        yield case("ensemble, the same request", asked, 1.0)
    yield Case(case="loading a decoupled model", said={bench.load("cached-decoupled"): 1})
    without = "loading a decoupled model without a cache"
    yield Case(case=without, said={bench.load("decoupled"): 1})


def dead_stub(bench: Bench) -> Iterator[Case]:
    """The Python process of a model is killed; then load, and unload with load, are tried."""
    for _ in range(2):  # the first load leaves a __pycache__ behind, which a later one notices
        bench.load(MORTAL)
    yield _health(bench, "before")
    _only_stub(bench, MORTAL).kill()
    time.sleep(0.5)
    yield _health(bench, "stub killed")
    found = bench.load(MORTAL)
    yield _health(bench, f"after load ({found})")
    bench.client.unload_model(MORTAL)
    found = bench.load(MORTAL)
    yield _health(bench, f"after unload and load ({found})")


def _only_stub(bench: Bench, model: str) -> psutil.Process:
    """Once those of earlier loads have gone."""
    until_s = time.monotonic() + DEAD_S
    while len(found := _stubs(bench, model)) > 1 and time.monotonic() < until_s:
        time.sleep(0.1)
    return found[0]


def _stubs(bench: Bench, model: str) -> list[psutil.Process]:
    family = psutil.Process(bench.server.pid).children(recursive=True)
    stubs = [p for p in family if any(f"/{model}/" in part for part in p.cmdline())]
    return [p for p in stubs if "triton_python_backend_stub" in p.cmdline()[0]]


def _health(bench: Bench, name: str) -> Case:
    """What the health URLs say, and what a request gets."""
    values = {
        "live": bench.http("/v2/health/live")[0],
        "ready": bench.http("/v2/health/ready")[0],
        "model_ready": bench.http(f"/v2/models/{MORTAL}/ready")[0],
    }
    said = bench.ask(MORTAL, client_timeout=DEAD_S)
    return Case(case=name, values={k: float(v) for k, v in values.items()}, said={said: 1})
