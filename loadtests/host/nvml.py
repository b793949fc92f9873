"""What one NVIDIA GPU says about itself through NVML; a quantity the driver refuses stays null."""

import math
import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import ModuleType, TracebackType
from typing import Any, Self

import pynvml

NVML, NVML_GPM = "nvml", "nvml gpm"

SOURCES: Mapping[str, str] = {
    "gpu_busy_pct": NVML,
    "gpu_memory_bytes": NVML,
    "gpu_power_w": NVML,
    "gpu_sm_clock_mhz": NVML,
    "gpu_energy_j": NVML,
    "gpu_throttle_reasons": NVML,
    "gpu_sm_active_ratio": NVML_GPM,
    "gpu_tensor_active_ratio": NVML_GPM,
}
"""Every GPU column of telemetry.parquet and the part of NVML that fills it."""

Value = float | int | None

GPM_INTERVAL_S = 0.1
"""The least time between the two samples of a share of time (nvml.h, nvmlGpmMetricsGet)."""


def visible_device(environment: Mapping[str, str]) -> int | str | None:
    """The first GPU a server started in this environment sees: an index, a UUID, or None.

    Reads CUDA_VISIBLE_DEVICES; unset means the first. CUDA counts the fastest GPU first and NVML
    counts by PCI bus: on a host of unlike GPUs set CUDA_DEVICE_ORDER=PCI_BUS_ID, or give a UUID.
    """
    first = environment.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0].strip()
    if first.startswith(("GPU-", "MIG-")):
        return first
    return int(first) if first.isdecimal() else None


class Gpu:
    """One NVIDIA GPU; nvml is the module pynvml, or a fake of it."""

    def __init__(self, handle: object, nvml: ModuleType) -> None:
        self._handle = handle
        self._nvml = nvml

    @classmethod
    def find(
        cls, environment: Mapping[str, str] = os.environ, nvml: ModuleType = pynvml
    ) -> "Gpu | None":
        """The GPU that a server sees; None without a driver or without such a GPU."""
        device = visible_device(environment)
        if device is None:
            return None
        try:
            nvml.nvmlInit()
            if isinstance(device, int):
                return cls(nvml.nvmlDeviceGetHandleByIndex(device), nvml)
            return cls(nvml.nvmlDeviceGetHandleByUUID(device), nvml)
        except nvml.NVMLError:
            return None

    def describe(self) -> dict[str, Any]:
        """Name and driver, and by column of SOURCES why the driver refuses to fill it."""
        with self.readings() as readings:
            readings.sample()
            time.sleep(GPM_INTERVAL_S)
            readings.sample()
        return {
            "name": str(self._nvml.nvmlDeviceGetName(self._handle)),
            "driver": str(self._nvml.nvmlSystemGetDriverVersion()),
            "refused": readings.refused,
        }

    def memory(self) -> tuple[int, int]:
        """Free and total bytes."""
        info = self._nvml.nvmlDeviceGetMemoryInfo(self._handle)
        return info.free, info.total

    def readings(self) -> "GpuReadings":
        """What is to be read during one trial, as a context manager."""
        return GpuReadings(self._handle, self._nvml)


class GpuReadings:
    """Reads all columns of SOURCES between enter and exit; a refused one is not asked for again.

    refused: why, by column, in the driver's words; a container may lack the permission for some.
    """

    def __init__(self, handle: object, nvml: ModuleType) -> None:
        self.refused: dict[str, str] = {}
        self._nvml = nvml
        self._gpm = _Gpm(handle, nvml)
        self._reads: dict[tuple[str, ...], Callable[[], tuple[Value, ...]]] = {
            ("gpu_busy_pct",): lambda: (nvml.nvmlDeviceGetUtilizationRates(handle).gpu,),
            ("gpu_memory_bytes",): lambda: (nvml.nvmlDeviceGetMemoryInfo(handle).used,),
            ("gpu_power_w",): lambda: (nvml.nvmlDeviceGetPowerUsage(handle) / 1000,),
            ("gpu_sm_clock_mhz",): lambda: (
                nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_SM),
            ),
            ("gpu_energy_j",): lambda: (nvml.nvmlDeviceGetTotalEnergyConsumption(handle) / 1000,),
            ("gpu_throttle_reasons",): lambda: (_throttle_reasons(handle, nvml),),
            ("gpu_sm_active_ratio", "gpu_tensor_active_ratio"): self._gpm.read,
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._gpm.free()

    def sample(self) -> dict[str, Value]:
        """Each column's value now; null where the driver refuses, or has once refused, it."""
        row: dict[str, Value] = dict.fromkeys(SOURCES)
        for columns, read in list(self._reads.items()):
            try:
                row.update(zip(columns, read(), strict=True))
            except self._nvml.NVMLError as error:
                del self._reads[columns]
                self.refused |= dict.fromkeys(columns, str(error))
        return row


def _throttle_reasons(handle: object, nvml: ModuleType) -> int:
    try:
        return int(nvml.nvmlDeviceGetCurrentClocksEventReasons(handle))
    except nvml.NVMLError_FunctionNotFound:  # drivers before 535 know only the older name
        return int(nvml.nvmlDeviceGetCurrentClocksThrottleReasons(handle))


class _Gpm:
    """GPU performance monitoring (Hopper and newer): shares of time between two samples."""

    def __init__(self, handle: object, nvml: ModuleType) -> None:
        self._handle = handle
        self._nvml = nvml
        self._samples: list[Any] = []
        self._request = nvml.c_nvmlGpmMetricsGet_t(
            version=nvml.NVML_GPM_METRICS_GET_VERSION, numMetrics=2
        )
        self._request.metrics[0].metricId = nvml.NVML_GPM_METRIC_SM_UTIL
        self._request.metrics[1].metricId = nvml.NVML_GPM_METRIC_ANY_TENSOR_UTIL

    def read(self) -> tuple[Value, Value]:
        """SM active and tensor active since the read before, 0 to 1; null in the first read.

        Raises NVMLError where the GPU does not have it.
        """
        if not self._samples:
            self._allocate()
            self._nvml.nvmlGpmSampleGet(self._handle, self._samples[1])
            return None, None
        self._samples.reverse()
        self._nvml.nvmlGpmSampleGet(self._handle, self._samples[1])
        self._request.sample1, self._request.sample2 = self._samples
        self._nvml.nvmlGpmMetricsGet(self._request)
        return self._ratio(0), self._ratio(1)

    def free(self) -> None:
        while self._samples:
            with suppress(self._nvml.NVMLError):  # a GPU that is lost has nothing left to free
                self._nvml.nvmlGpmSampleFree(self._samples.pop())

    def _allocate(self) -> None:
        if not self._nvml.nvmlGpmQueryDeviceSupport(self._handle).isSupportedDevice:
            raise self._nvml.NVMLError(self._nvml.NVML_ERROR_NOT_SUPPORTED)
        for _ in range(2):
            self._samples.append(self._nvml.nvmlGpmSampleAlloc())

    def _ratio(self, position: int) -> float | None:
        metric = self._request.metrics[position]
        if metric.nvmlReturn != self._nvml.NVML_SUCCESS or not math.isfinite(metric.value):
            return None
        return float(metric.value) / 100
