"""What server and load generator consumed during a trial, sampled beside it."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType

import pandas as pd
import psutil
import pynvml

SAMPLE_EVERY_S = 0.25

_PSUTIL_SOURCE = "psutil cpu_times and rss, summed over the process tree"


@dataclass(frozen=True)
class TreeUsage:
    """cpu_s: user plus system CPU seconds since each process started; rss_bytes: now."""

    cpu_s: float
    rss_bytes: int


def tree_usage(root_pid: int) -> TreeUsage | None:
    """Sums over a process and its descendants; None when the process is gone."""
    try:
        root = psutil.Process(root_pid)
        family = [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return None
    cpu_s, rss_bytes = 0.0, 0
    for process in family:
        try:
            with process.oneshot():
                times = process.cpu_times()
                rss_bytes += process.memory_info().rss
                cpu_s += times.user + times.system
        except psutil.NoSuchProcess:
            continue
    return TreeUsage(cpu_s, rss_bytes)


class Gpu:
    """The first NVIDIA GPU through NVML; absent columns stay null, never zero."""

    def __init__(self) -> None:
        pynvml.nvmlInit()
        self._handle = pynvml.nvmlDeviceGetHandleByIndex(0)

    @classmethod
    def find(cls) -> "Gpu | None":
        try:
            return cls()
        except pynvml.NVMLError:
            return None

    def describe(self) -> dict[str, str]:
        return {
            "name": str(pynvml.nvmlDeviceGetName(self._handle)),
            "driver": str(pynvml.nvmlSystemGetDriverVersion()),
        }

    def sample(self) -> dict[str, float | int | None]:
        handle = self._handle
        return {
            "gpu_busy_pct": _or_none(lambda: pynvml.nvmlDeviceGetUtilizationRates(handle).gpu),
            "gpu_memory_bytes": _or_none(lambda: pynvml.nvmlDeviceGetMemoryInfo(handle).used),
            "gpu_power_w": _or_none(lambda: pynvml.nvmlDeviceGetPowerUsage(handle) / 1000),
            "gpu_sm_clock_mhz": _or_none(
                lambda: pynvml.nvmlDeviceGetClockInfo(handle, pynvml.NVML_CLOCK_SM)
            ),
        }


def _or_none(read: Callable[[], float]) -> float | None:
    try:
        return read()
    except pynvml.NVMLError:
        return None


class Sampler:
    """Samples in a thread between enter and exit; pids maps "server" and "load" to roots."""

    def __init__(self, pids: Mapping[str, int], gpu: Gpu | None) -> None:
        self._pids = pids
        self._gpu = gpu
        self._rows: list[dict[str, float | int | None]] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Sampler":
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def sources(self) -> dict[str, str | None]:
        return {
            "server": _PSUTIL_SOURCE,
            "load": _PSUTIL_SOURCE,
            "gpu": "NVML" if self._gpu else None,
        }

    def frame(self, start_monotonic_s: float) -> pd.DataFrame:
        """The samples, t_s counted from start_monotonic_s."""
        frame = pd.DataFrame(self._rows)
        if not frame.empty:
            frame["t_s"] -= start_monotonic_s
        return frame

    def _run(self) -> None:
        while not self._stop.is_set():
            self._rows.append(self._sample())
            self._stop.wait(SAMPLE_EVERY_S)
        self._rows.append(self._sample())

    def _sample(self) -> dict[str, float | int | None]:
        row: dict[str, float | int | None] = {"t_s": time.monotonic()}
        for role, pid in self._pids.items():
            usage = tree_usage(pid)
            row[f"{role}_cpu_s"] = usage.cpu_s if usage else None
            row[f"{role}_rss_bytes"] = usage.rss_bytes if usage else None
        return row | (self._gpu.sample() if self._gpu else {})
