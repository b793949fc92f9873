"""What a trial used during its steady state, from the telemetry samples."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from loadtests.records.percentiles import FloatArray
from loadtests.records.running_totals import growth_per_s, values_of

IntArray = npt.NDArray[np.int64]

CLOCK_EVENTS = {
    0x01: "GPU idle",
    0x02: "applications clocks setting",
    0x04: "software power cap",
    0x08: "hardware slowdown",
    0x10: "sync boost",
    0x20: "software thermal slowdown",
    0x40: "hardware thermal slowdown",
    0x80: "hardware power brake",
    0x100: "display clock setting",
}
"""Why a GPU's clocks are below their highest: nvmlClocksEventReason* of nvml.h, by bit."""

SLOWDOWN_BITS = 0x08 | 0x20 | 0x40 | 0x80
"""Of those, the ones that mean heat or a failing supply. The software power cap is left out: that
is how a card holds its configured limit under any heavy load, for every contender alike."""


@dataclass(frozen=True)
class Cpu:
    """CPU seconds per second of the window (cores in use) and the number of cores given."""

    per_s: float | None
    n_cores: int

    @property
    def utilisation(self) -> float | None:
        return self.per_s / self.n_cores if self.per_s is not None and self.n_cores else None


@dataclass(frozen=True)
class Usage:
    """Means over the steady state; None: not measured. gpu_sm_clock_mhz holds one value a sample.
    clock_events is the share of samples by name of CLOCK_EVENTS, of those that occurred;
    throttled_ratio the share in which clocks were lowered for a reason of SLOWDOWN_BITS."""

    server_cpu: Cpu
    gateway_cpu: Cpu
    load_cpu: Cpu
    peak_rss_bytes: int | None
    gpu_busy_ratio: float | None
    gpu_sm_active_ratio: float | None
    gpu_tensor_active_ratio: float | None
    gpu_memory_bytes: int | None
    gpu_power_w: float | None
    gpu_energy_w: float | None
    gpu_sm_clock_mhz: FloatArray
    clock_events: dict[str, float] | None
    throttled_ratio: float | None


def take_usage(
    telemetry: pd.DataFrame, cores: Mapping[str, Sequence[int]], start_s: float, end_s: float
) -> Usage:
    """Usage between two times of the trial's clock."""
    t_s = values_of(telemetry, "t_s")
    inside = (t_s >= start_s) & (t_s <= end_s)

    def within(column: str) -> FloatArray:
        values = values_of(telemetry, column)[inside]
        known: FloatArray = values[~np.isnan(values)]
        return known

    busy_pct = _mean(within("gpu_busy_pct"))
    throttle = within("gpu_throttle_reasons").astype(np.int64)

    def per_s(column: str) -> float | None:
        return growth_per_s(telemetry, column, start_s, end_s)

    server_cores, load_cores = len(cores.get("server", ())), len(cores.get("load", ()))
    return Usage(
        server_cpu=Cpu(per_s("server_cpu_s"), server_cores),
        gateway_cpu=Cpu(per_s("gateway_cpu_s"), server_cores),
        load_cpu=Cpu(per_s("load_cpu_s"), load_cores),
        peak_rss_bytes=_peak(within("server_rss_bytes")),
        gpu_busy_ratio=None if busy_pct is None else busy_pct / 100,
        gpu_sm_active_ratio=_mean(within("gpu_sm_active_ratio")),
        gpu_tensor_active_ratio=_mean(within("gpu_tensor_active_ratio")),
        gpu_memory_bytes=_peak(within("gpu_memory_bytes")),
        gpu_power_w=_mean(within("gpu_power_w")),
        gpu_energy_w=per_s("gpu_energy_j"),
        gpu_sm_clock_mhz=within("gpu_sm_clock_mhz"),
        clock_events=_clock_events(throttle),
        throttled_ratio=float((throttle & SLOWDOWN_BITS > 0).mean()) if len(throttle) else None,
    )


def _clock_events(masks: IntArray) -> dict[str, float] | None:
    if not len(masks):
        return None
    shares = {name: float((masks & bit > 0).mean()) for bit, name in CLOCK_EVENTS.items()}
    return {name: share for name, share in shares.items() if share}


def _peak(values: FloatArray) -> int | None:
    return int(values.max()) if len(values) else None


def _mean(values: FloatArray) -> float | None:
    return float(values.mean()) if len(values) else None


def mean_known(values: Sequence[float | None]) -> float | None:
    """Over the windows in which it was measured. Repeats of one level have windows of one length,
    so that the plain mean is the pooled one."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
