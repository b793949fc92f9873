"""The batch-latency curve of an engine alone: no server, no tokeniser, no queue."""

import time
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from servers.classifier.engines import Engine
from servers.classifier.progress import tracked
from servers.engine_facts import CurvePoint

_LEAST_CALLS = 3
_MIN_FOR_P99 = 100


def batch_latency_curve(
    engine: Engine,
    vocabulary_size: int,
    lengths_tokens: Sequence[int],
    batch_sizes: Sequence[int],
    repeats: int,
    point_s: float,
    clock: Callable[[], float] = time.perf_counter,
) -> list[CurvePoint]:
    """One point a length and batch size, of `repeats` calls each with rows of that many tokens, or
    as many of them as fit into point_s seconds, at least 3."""
    shapes = [(batch, length) for length in lengths_tokens for batch in batch_sizes]
    rng = np.random.default_rng(0)
    points = []
    for batch, length in tracked(shapes, "batch-latency curve"):
        ids = rng.integers(0, vocabulary_size, (batch, length), dtype=np.int64)
        # The first calls of a shape allocate, choose kernels and raise the clocks.
        _latencies_s(engine, ids, repeats // 5, point_s / 5, clock)
        points.append(_point(_latencies_s(engine, ids, repeats, point_s, clock), batch, length))
    return points


def _latencies_s(
    engine: Engine,
    ids: NDArray[np.int64],
    repeats: int,
    for_s: float,
    clock: Callable[[], float],
) -> list[float]:
    mask = np.ones_like(ids)
    latencies_s: list[float] = []
    while len(latencies_s) < max(repeats, _LEAST_CALLS):
        if sum(latencies_s) > for_s and len(latencies_s) >= _LEAST_CALLS:
            break
        started = clock()
        # It returns the logits in host memory: the device is done, not merely told to start.
        engine.infer(ids, mask)
        latencies_s.append(clock() - started)
    return latencies_s


def _point(latencies_s: Sequence[float], batch: int, length_tokens: int) -> CurvePoint:
    p50, p99 = np.percentile(latencies_s, (50, 99)) * 1000
    calls = len(latencies_s)
    return CurvePoint(
        batch,
        length_tokens,
        latency_p50_ms=float(p50),
        latency_p99_ms=float(p99) if calls >= _MIN_FOR_P99 else None,
        rate_rps=batch * calls / sum(latencies_s),
        repeats=calls,
    )
