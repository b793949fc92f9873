"""What the GPU did while the models of one Triton were driven alone and together."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.read.value import Value
from analysis.steady.usage import SLOWDOWN_BITS
from analysis.validity.checks import THROTTLED_SHARE
from loadtests.records.tables import read_telemetry

GPU_MEANS = (
    *("gpu_busy_pct", "gpu_sm_active_ratio", "gpu_tensor_active_ratio"),
    *("gpu_power_w", "gpu_memory_bytes"),
)


class GpuUse(Value):
    """Means over the windows of a group; null: the driver does not say. throttled_ratio: share of
    the samples in which clocks were lowered for heat or power supply."""

    group: tuple[str, ...]
    throttled_ratio: float | None
    busy_pct: float | None
    sm_active_ratio: float | None
    tensor_active_ratio: float | None
    power_w: float | None
    memory_bytes: float | None


def gpu_uses(folder: Path, measured: Sequence[Mapping[str, Any]]) -> tuple[GpuUse, ...]:
    """One a group, of the entries `measured` of colocation.json; empty without a GPU."""
    samples: dict[tuple[str, ...], list[pd.DataFrame]] = {}
    for taken in measured:
        frame = read_telemetry(folder / taken["folder"])
        inside = frame[frame["t_s"].between(0.0, taken["window_s"])]
        samples.setdefault(tuple(taken["group"]), []).append(inside)
    ordered = sorted(samples, key=lambda group: (len(group), group))
    found = [_gpu_use(group, pd.concat(samples[group])) for group in ordered]
    return tuple(use for use in found if use is not None)


def _gpu_use(group: tuple[str, ...], samples: pd.DataFrame) -> GpuUse | None:
    means = {name.removeprefix("gpu_"): _mean(samples[name]) for name in GPU_MEANS}
    if all(mean is None for mean in means.values()):
        return None
    lowered = samples["gpu_throttle_reasons"].dropna().astype(np.int64) & SLOWDOWN_BITS > 0
    return GpuUse(group=group, throttled_ratio=_mean(lowered), **means)


def _mean(values: pd.Series) -> float | None:
    known = values.dropna()
    return float(known.mean()) if len(known) else None


def throttled(use: GpuUse) -> list[str]:
    """A sentence where the clocks were held down for more than a trial of the study may have."""
    if use.throttled_ratio is None or use.throttled_ratio <= THROTTLED_SHARE:
        return []
    return [
        f"{' + '.join(use.group)}: the GPU lowered its clocks in {use.throttled_ratio:.0%} of "
        f"the samples (bound {THROTTLED_SHARE:.0%}): its rates are too low."
    ]
