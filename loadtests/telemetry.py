"""What server and load generator consumed during a trial, sampled beside it."""

import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType

import pandas as pd
import psutil
import pynvml

SAMPLE_EVERY_S = 0.25
LOOK_FOR_MEMBERS_EVERY = 8

_PSUTIL_SOURCE = "psutil cpu_times and rss, summed over the process tree"


@dataclass(frozen=True)
class TreeUsage:
    """cpu_s: user plus system CPU seconds since each process started; rss_bytes: now."""

    cpu_s: float
    rss_bytes: int


class ProcessTree:
    """A process and its descendants."""

    def __init__(self, root_pid: int) -> None:
        self._root_pid = root_pid
        self._family: list[psutil.Process] = []
        self._samples = 0

    def usage(self) -> TreeUsage | None:
        """Sums over the living members; None when there is none."""
        # Looking for new members reads every process of the machine, and does so on the load
        # generator's cores: seldom, or it delays requests.
        if self._samples % LOOK_FOR_MEMBERS_EVERY == 0:
            self._family = self._members()
        self._samples += 1
        cpu_s, rss_bytes, alive = 0.0, 0, False
        for process in self._family:
            try:
                with process.oneshot():
                    times = process.cpu_times()
                    rss_bytes += process.memory_info().rss
                    cpu_s += times.user + times.system
                    alive = True
            except psutil.NoSuchProcess:
                continue
        return TreeUsage(cpu_s, rss_bytes) if alive else None

    def _members(self) -> list[psutil.Process]:
        try:
            root = psutil.Process(self._root_pid)
            return [root, *root.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []


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
        self._trees = {role: ProcessTree(pid) for role, pid in pids.items()}
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
        if sys.platform == "linux":
            # This thread alone gives way to the load generator, whose cores it runs on.
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)
        while not self._stop.is_set():
            self._rows.append(self._sample())
            self._stop.wait(SAMPLE_EVERY_S)
        self._rows.append(self._sample())

    def _sample(self) -> dict[str, float | int | None]:
        row: dict[str, float | int | None] = {"t_s": time.monotonic()}
        for role, tree in self._trees.items():
            usage = tree.usage()
            row[f"{role}_cpu_s"] = usage.cpu_s if usage else None
            row[f"{role}_rss_bytes"] = usage.rss_bytes if usage else None
        return row | (self._gpu.sample() if self._gpu else {})
