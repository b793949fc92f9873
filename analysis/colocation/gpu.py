"""What the GPU did while the models of one Triton were driven alone and together."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from analysis.read.value import Value
from analysis.steady.usage import Usage, mean_known, take_usage
from analysis.validity.checks import THROTTLED_SHARE
from loadtests.records.shares import percent
from loadtests.records.tables import read_telemetry


class GpuUse(Value):
    """Means over the windows of a group, of memory the most; null: the driver does not say.
    throttled_ratio: share of the samples in which clocks were lowered for heat or power supply."""

    group: tuple[str, ...]
    throttled_ratio: float | None
    busy_ratio: float | None
    sm_active_ratio: float | None
    tensor_active_ratio: float | None
    power_w: float | None
    memory_bytes: float | None


def gpu_uses(folder: Path, measured: Sequence[Mapping[str, Any]]) -> tuple[GpuUse, ...]:
    """One a group, of the entries `measured` of colocation.json; empty without a GPU."""
    used: dict[tuple[str, ...], list[Usage]] = {}
    for taken in measured:
        telemetry = read_telemetry(folder / taken["folder"])
        usage = take_usage(telemetry, {}, 0.0, taken["window_s"])
        used.setdefault(tuple(taken["group"]), []).append(usage)
    ordered = sorted(used, key=lambda group: (len(group), group))
    found = [_gpu_use(group, used[group]) for group in ordered]
    return tuple(use for use in found if use is not None)


def _gpu_use(group: tuple[str, ...], used: Sequence[Usage]) -> GpuUse | None:
    figures = {
        "busy_ratio": mean_known([u.gpu_busy_ratio for u in used]),
        "sm_active_ratio": mean_known([u.gpu_sm_active_ratio for u in used]),
        "tensor_active_ratio": mean_known([u.gpu_tensor_active_ratio for u in used]),
        "power_w": mean_known([u.gpu_power_w for u in used]),
        "memory_bytes": max((u.gpu_memory_bytes or 0 for u in used), default=0) or None,
    }
    if all(figure is None for figure in figures.values()):
        return None
    throttled_ratio = mean_known([u.throttled_ratio for u in used])
    return GpuUse(group=group, throttled_ratio=throttled_ratio, **figures)


def throttled(use: GpuUse) -> list[str]:
    """A sentence where the clocks were held down for more than a trial of the study may have."""
    if use.throttled_ratio is None or use.throttled_ratio <= THROTTLED_SHARE:
        return []
    return [
        f"{' + '.join(use.group)}: the GPU lowered its clocks in {percent(use.throttled_ratio)} of "
        f"the samples (bound {percent(THROTTLED_SHARE)}): its rates are too low."
    ]
