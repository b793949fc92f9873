"""The curve of an engine on this machine: what a pass takes, and what of it is the host's work."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import accumulate, groupby
from pathlib import Path
from statistics import median

import numpy as np
import torch
from numpy.typing import NDArray

from servers.classifier.curve import batch_latency_curve
from servers.classifier.engines import Engine, load_engine
from servers.classifier.measure import version_in_words
from servers.classifier.model_info import read_model_info
from servers.classifier.progress import say, tracked
from servers.classifier.torch_engine import TorchEngine
from servers.cpu_model import cpu_model
from servers.device_curve import CurvePoint, DeviceCurve
from servers.engines import ENGINES, EngineName
from servers.placement import EngineUnavailableError, Placement

_HOST_PASSES = 20

HOST_IS_DEVICE = "the host is the device: every second of a pass on a CPU is CPU work of the host"
CUDA_EVENTS = (
    "measured: from the first launch of a pass until the last one returned, beside the CUDA events "
    "around the pass, median of 20 passes"
)
CPU_TIME = (
    "upper bound: CPU time of the calling thread over a pass, median of 20 passes; a thread that "
    "spins while it waits for the device is counted as working"
)


@dataclass(frozen=True)
class Profile:
    """What is profiled, as servers.classifier.measure.Measurement has it."""

    model_dir: Path
    engine: EngineName
    placement: Placement
    threads: int
    lengths_tokens: Sequence[int]
    batch_sizes: Sequence[int]
    repeats: int
    point_s: float


@dataclass(frozen=True)
class Split:
    """One pass: the host's part, and, where events can tell, what the device took; the two
    overlap."""

    host_s: float
    device_s: float | None = None


HostTimer = Callable[[NDArray[np.int64]], Split]


class LaunchedTorchEngine(TorchEngine):
    """Launches a pass without waiting for it."""

    def launch(
        self, input_ids: NDArray[np.int64], attention_mask: NDArray[np.int64]
    ) -> torch.Tensor:
        with torch.inference_mode():
            return self._logits(
                torch.from_numpy(input_ids).to(self._model.device),
                torch.from_numpy(attention_mask).to(self._model.device),
            )


def profiled(what: Profile, name: str, command: str) -> DeviceCurve:
    """EngineUnavailableError where the engine cannot run as placed, or is not what it was asked to
    be."""
    if ENGINES[what.engine].simulated:
        raise EngineUnavailableError(
            f"expected an engine that computes, found {what.engine}: its curve is the one that it "
            "replays."
        )
    engine = _engine(what)
    found = (engine.device, engine.precision)
    if found != (what.placement.device, what.placement.precision):
        raise EngineUnavailableError(
            f"expected {what.placement.device} and {what.placement.precision}, found an engine "
            f"loaded on {found[0]} with {found[1]} weights: it must not be profiled under that "
            "name."
        )
    vocabulary = json.loads((what.model_dir / "config.json").read_text("utf-8"))["vocab_size"]
    measured = batch_latency_curve(
        *(engine, vocabulary, what.lengths_tokens, what.batch_sizes, what.repeats, what.point_s)
    )
    latencies = {(p.length_tokens, p.batch): p.latency_p50_ms / 1000 for p in measured}
    host_s, source = _host_times(engine, what.placement, vocabulary, list(latencies))
    points = (
        CurvePoint(*shape, latency_s, _within(host_s.get(shape), latency_s))
        for shape, latency_s in rising(latencies).items()
    )
    device, today = _device(what), f"{datetime.now(UTC):%Y-%m-%d}"
    return DeviceCurve(
        name=name,
        device=device,
        precision=engine.precision,
        software=_software(what.engine, engine),
        model=f"{read_model_info(what.model_dir).name} model of this study",
        source=f"measured with `study profile`, on {device}, {today}: {command}",
        measured=True,
        host_share=1.0,
        host_share_source=source,
        points=tuple(points),
    )


def rising(latencies: dict[tuple[int, int], float]) -> dict[tuple[int, int], float]:
    """By length and batch, to a tenth of a microsecond: a larger batch that took less, by noise,
    gets the latency of the smaller one."""
    found: dict[tuple[int, int], float] = {}
    for _, group in groupby(sorted(latencies), key=lambda shape: shape[0]):
        shapes = list(group)
        highest = accumulate((round(latencies[shape], 7) for shape in shapes), max)
        found.update(zip(shapes, highest, strict=True))
    return found


def _within(host_s: float | None, latency_s: float) -> float | None:
    return None if host_s is None else min(round(host_s, 7), latency_s)


def _host_times(
    engine: Engine, placement: Placement, vocabulary: int, shapes: Sequence[tuple[int, int]]
) -> tuple[dict[tuple[int, int], float], str]:
    """By length and batch, and how they were found; empty: all of a pass."""
    if placement.device == "cpu":
        return {}, HOST_IS_DEVICE
    timer, source = host_timer(engine)
    rng = np.random.default_rng(0)
    found: dict[tuple[int, int], float] = {}
    for length, batch in tracked(shapes, "host time of a pass"):
        ids = rng.integers(0, vocabulary, (batch, length), dtype=np.int64)
        splits = [timer(ids) for _ in range(_HOST_PASSES)]
        found[length, batch] = median(split.host_s for split in splits)
        device_s = [split.device_s for split in splits if split.device_s is not None]
        on_device = f", between its events {median(device_s) * 1000:.2f} ms" if device_s else ""
        say(
            f"batch {batch} of {length} tokens: host {found[length, batch] * 1000:.2f} ms"
            f"{on_device}"
        )
    return found, source


def host_timer(engine: Engine) -> tuple[HostTimer, str]:
    """How the host's part of a pass on a CUDA device is found, and how the curve says it."""
    if isinstance(engine, LaunchedTorchEngine) and engine.graphs is None:
        return lambda ids: _between_events(engine, ids), CUDA_EVENTS
    return lambda ids: _by_cpu_time(engine, ids), CPU_TIME


def _between_events(engine: LaunchedTorchEngine, ids: NDArray[np.int64]) -> Split:
    mask = np.ones_like(ids)
    first, last = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize()
    began_s = time.perf_counter()
    first.record()
    engine.launch(ids, mask)
    last.record()
    host_s = time.perf_counter() - began_s
    torch.cuda.synchronize()
    return Split(host_s, first.elapsed_time(last) / 1000)


def _by_cpu_time(engine: Engine, ids: NDArray[np.int64]) -> Split:
    began_s = time.thread_time()
    engine.infer(ids, np.ones_like(ids))
    return Split(time.thread_time() - began_s)


def _engine(what: Profile) -> Engine:
    if what.engine == "torch":
        return LaunchedTorchEngine(what.model_dir, what.threads, what.placement)
    return load_engine(what.engine, what.model_dir, what.threads, what.placement)


def _software(name: EngineName, engine: Engine) -> str:
    extras = ", CUDA graphs" if getattr(engine, "graphs", None) is not None else ""
    return f"{version_in_words(name, engine)}{extras}"


def _device(what: Profile) -> str:
    if what.placement.device == "cuda":
        return str(torch.cuda.get_device_name())
    return f"{cpu_model()}, {what.threads} thread{'s' if what.threads != 1 else ''}"
