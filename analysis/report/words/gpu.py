"""What each figure of the GPU is called, what it means and who reports it."""

from collections.abc import Mapping

from analysis.steady.gpu import GpuFigure

MEANINGS: Mapping[str, tuple[str, str]] = {
    "gpu_busy_pct": (
        "time busy",
        "Share of time in which at least one kernel ran, even on a single multiprocessor: what "
        "nvidia-smi and Triton's nv_gpu_utilization call GPU utilisation. One text at a time can "
        "show 90 % here.",
    ),
    "gpu_sm_active_ratio": (
        "SM active",
        "Share of the multiprocessors that had work, averaged over time: how full the GPU was. The "
        "same texts one at a time may show 30 % here, and both are called GPU utilisation.",
    ),
    "gpu_tensor_active_ratio": (
        "tensor active",
        "Share of time in which the tensor cores worked: how much of the GPU's matrix rate was in "
        "use.",
    ),
    "gpu_memory_bytes": ("memory", "Most memory in use on the GPU, by all processes."),
    "gpu_power_w": (
        "power",
        "Mean power of the whole GPU. The driver itself averages over a second on Ampere (but "
        "GA100) and newer.",
    ),
    "gpu_energy_j": (
        "energy",
        "Growth of the driver's energy counter over the steady state, idle draw included.",
    ),
    "gpu_sm_clock_mhz": ("SM clock", "Lowest and median clock of the samples, four a second."),
    "gpu_throttle_reasons": (
        "throttle reasons",
        "Share of samples by reason why the clocks were below their maximum. A software power cap "
        "is how a card keeps its limit under heavy load; slowdowns and the power brake mean heat "
        "or a failing supply, and make a trial invalid.",
    ),
}
"""By column of telemetry.parquet: name and meaning. Source of the first two: nvml.h
(nvmlUtilization_t) and the GPM metric SM_UTIL."""

_SOURCES = {"nvml": "NVML", "nvml gpm": "NVML GPM"}


def name(figure: GpuFigure) -> str:
    return MEANINGS[figure.column][0]


def meaning(figure: GpuFigure) -> str:
    return MEANINGS[figure.column][1]


def source(figure: GpuFigure) -> str:
    """Who reports it, or in the driver's words why nobody does."""
    if figure.source is None:
        return f"none, the driver says: {figure.refused}"
    return _SOURCES.get(figure.source, figure.source)
