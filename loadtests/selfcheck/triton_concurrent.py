"""What Triton does with requests at the same time, and how long transports take."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from statistics import mean, median
from threading import Event
from typing import Any

import numpy as np

from loadtests.selfcheck.tiny_models import ROWS, echo, write_config
from loadtests.selfcheck.triton_bench import ANSWERED, LOADED, TIMEOUT_S, Bench, Seen, tensor
from loadtests.selfcheck.triton_regions import in_region, region_for

SMALL, LARGE = 128, 75_264
"""Numbers of 8 bytes: 1 KiB, and 588 KiB (an image of 224 x 224 x 3 in FP32)."""


def others_answer_meanwhile(bench: Bench) -> Seen:
    bench.load("busy")
    with ThreadPoolExecutor(1) as pool:
        busy = pool.submit(bench.ask, "busy")
        answered = [bench.ask("echo") for _ in range(5)]
        still_busy = not busy.done()
    seen = f"{answered.count(ANSWERED)} of 5 answered while the other model was busy: {still_busy}"
    return still_busy and set(answered) == {ANSWERED}, seen


def _executed(bench: Bench, model: str, requests: Sequence[tuple[int, ...]]) -> tuple[int, int]:
    """Rows and executions that these concurrent requests, by their shapes, became."""
    before = bench.counts(model)
    with ThreadPoolExecutor(len(requests)) as pool:
        list(pool.map(lambda shape: bench.ask(model, shape), requests))
    rows, executions = bench.counts(model)
    return rows - before[0], executions - before[1]


def batches_of_the_client(bench: Bench) -> Seen:
    bench.load("batched")
    _, of_full = _executed(bench, "batched", [(ROWS, 4)] * 4)
    _, of_single = _executed(bench, "batched", [(1, 4)] * 4 * ROWS)
    seen = (
        f"4 requests of {ROWS} rows: {of_full} executions; {4 * ROWS} requests of one row: "
        f"{of_single} executions"
    )
    return of_full == 4 and of_single < 4 * ROWS, seen


def one_execution_without_batcher(bench: Bench) -> Seen:
    rows, executions = _executed(bench, "echo", [(ROWS, 4)])
    return (rows, executions) == (ROWS, 1), f"{rows} rows in {executions} execution"


def high_priority_first(bench: Bench) -> Seen:
    bench.load("levels")
    n_low, n_high = 30, 10
    done: list[int] = []
    all_done = Event()

    def ask(level: int) -> None:
        def answered(result: Any, error: Any) -> None:
            done.append(level)
            if len(done) == n_low + n_high:
                all_done.set()

        given = tensor(np.zeros((1, 4), np.int64))
        bench.client.async_infer(
            "levels", [given], answered, priority=level, client_timeout=TIMEOUT_S
        )

    for level in (2,) * n_low + (1,) * n_high:
        ask(level)
    all_done.wait(TIMEOUT_S)
    ranks = {level: [k for k, each in enumerate(done, 1) if each == level] for level in (1, 2)}
    if not all(ranks.values()):
        return False, f"{len(done)} answers"
    high, low = mean(ranks[1]), mean(ranks[2])
    seen = f"mean place in the order of answers: {high:.1f} for level 1, {low:.1f} for level 2"
    return high < low, seen


def reloads_under_load(bench: Bench) -> Seen:
    bench.load("reloaded")
    stop = Event()

    def asked() -> list[str]:
        answers = []
        while not stop.is_set():
            answers.append(bench.ask("reloaded"))
        return answers

    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(asked)
        try:
            write_config(bench.repository, "reloaded", echo("reloaded", add=1))
            loaded = bench.load("reloaded")
        finally:
            stop.set()
        answers = asking.result()
    new = int(bench.answer("reloaded", np.zeros((1, 4), np.int64))[0, 0]) == 1
    n_failed = len(answers) - answers.count(ANSWERED)
    which = "new" if new else "old"
    seen = f"{len(answers)} requests meanwhile, {n_failed} failed; then the {which} model answers"
    return loaded == LOADED and new and answers != [] and n_failed == 0, seen


def _median_ms(ask: Callable[[], object], n: int = 15) -> float:
    times_ms = []
    for _ in range(n):
        start_s = time.perf_counter()
        ask()
        times_ms.append(1000 * (time.perf_counter() - start_s))
    return median(times_ms)


def protocols(bench: Bench) -> Seen:
    bench.load("wide")
    seen, slower = [], 0.0
    for size in (SMALL, LARGE):
        content = np.arange(size, dtype=np.int64).reshape(1, -1)
        grpc, binary, as_json = (
            _median_ms(partial(ask, "wide", content))
            for ask in (bench.answer, bench.http_binary, bench.http_json)
        )
        slower = as_json / binary
        seen.append(
            f"{8 * size / 1024:.0f} KiB: gRPC {grpc:.2g} ms, binary HTTP {binary:.2g} ms, "
            f"JSON {as_json:.2g} ms"
        )
    return slower > 3, f"medians for {'; '.join(seen)}"


def shared_memory_gain(bench: Bench) -> Seen:
    bench.load("wide")
    gains = {size: _shared_memory_ratio(bench, size) for size in (SMALL, LARGE)}
    said = [f"{ratio:.2g} times at {8 * size / 1024:.0f} KiB" for size, ratio in gains.items()]
    return gains[LARGE] > max(1.5, gains[SMALL]), f"gRPC over shared memory: {', '.join(said)}"


def _shared_memory_ratio(bench: Bench, size: int) -> float:
    """Median by gRPC over that with input and output in shared memory."""
    content = np.arange(size, dtype=np.int64).reshape(1, -1)
    with region_for(bench, content):
        given, wanted = in_region(content)
        shared_ms = _median_ms(lambda: bench.client.infer("wide", [given], outputs=[wanted]))
    return _median_ms(lambda: bench.answer("wide", content)) / shared_ms
