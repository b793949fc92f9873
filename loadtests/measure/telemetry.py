"""What server and load generator consumed during a trial, sampled while it runs."""

import os
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from types import MappingProxyType, TracebackType

import pandas as pd
import psutil

from loadtests.host import nvml, pressure
from loadtests.host.nvml import Gpu, GpuReadings, Value
from loadtests.host.pressure import RunQueueWaits
from loadtests.measure.device_meter import BUSY_COLUMN, DeviceMeter
from servers.discovery import Contender

SAMPLE_EVERY_S = 0.25
LOOK_FOR_MEMBERS_EVERY = 8
READ_WAITS_EVERY = 4
"""Samples. Both take a file of every process or thread, read on the load generator's cores."""

SOURCES: Mapping[str, str] = {
    "server_cpu_s": "psutil cpu_times, process tree",
    "server_rss_bytes": "psutil rss, process tree",
    "gateway_cpu_s": "psutil cpu_times, one process",
    "gateway_rss_bytes": "psutil rss, one process",
    "load_cpu_s": "psutil cpu_times, process tree",
    "load_rss_bytes": "psutil rss, process tree",
    "study_cpu_s": "time.process_time of the study itself",
    **pressure.SOURCES,
    **nvml.SOURCES,
}
"""Every column of telemetry.parquet beside t_s, and where its values come from."""


@dataclass(frozen=True)
class TreeUsage:
    """cpu_s: user plus system CPU seconds since each process started, those of its children that
    have ended among them; rss_bytes: now."""

    cpu_s: float
    rss_bytes: int


class ProcessTree:
    """A process and, where descend is true, its descendants."""

    def __init__(self, root_pid: int, descend: bool = True) -> None:
        self._root_pid = root_pid
        self._descend = descend
        self._family: list[psutil.Process] = []
        self._samples = 0

    def usage(self) -> TreeUsage | None:
        """Sums over the living members; None when there is none. A process that has ended and was
        not yet collected keeps its CPU seconds but has no memory: it is not among the living."""
        # Looking for new members reads every process of the machine, and does so on the load
        # generator's cores: seldom, or it delays requests.
        if self._samples % LOOK_FOR_MEMBERS_EVERY == 0:
            self._family = self._living()
        self._samples += 1
        cpu_s, rss_bytes = 0.0, 0
        for process in self._family:
            try:
                with process.oneshot():
                    times = process.cpu_times()
                    rss_bytes += process.memory_info().rss
                    cpu_s += times.user + times.system
                    if self._descend:
                        cpu_s += times.children_user + times.children_system
            except psutil.NoSuchProcess:
                continue
        return TreeUsage(cpu_s, rss_bytes) if rss_bytes else None

    @property
    def pids(self) -> list[int]:
        return [process.pid for process in self._family]

    def _living(self) -> list[psutil.Process]:
        try:
            root = psutil.Process(self._root_pid)
            found = [root, *root.children(recursive=True)] if self._descend else [root]
        except psutil.NoSuchProcess:
            found = []
        # One whose parent has ended is nobody's descendant any more, but still works for the tree.
        adopted = [p for p in self._family if p not in found and p.is_running()]
        return found + adopted


def process_roles(contender: Contender, server_pid: int | None, load_pid: int) -> dict[str, int]:
    """The processes to watch, by role; server_pid None: the server is not a child of the study."""
    roles = {"load": load_pid}
    if server_pid is not None:
        roles["server"] = server_pid
        if contender.main_process == "gateway":
            roles["gateway"] = server_pid
    return roles


class Sampler:
    """Samples in a thread between enter and exit.

    roles is what process_roles returns: "server" and "load" are read with all their descendants,
    "gateway" without. cores holds those of "server" and "load" that are watched. device: that of a
    server which simulates one, read in place of the GPU.
    """

    def __init__(
        self,
        roles: Mapping[str, int],
        gpu: Gpu | None,
        cores: Mapping[str, Sequence[int]] = MappingProxyType({}),
        device: DeviceMeter | None = None,
    ) -> None:
        self._watched = {
            role: ProcessTree(pid, descend=role != "gateway") for role, pid in roles.items()
        }
        self._cores = cores
        self._waits = RunQueueWaits()
        self._gpu = None if device else gpu
        self._device = device
        self._rows: list[dict[str, Value]] = []
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
        """Where each column came from; null for a column without a single value."""
        seen = {name for row in self._rows for name, value in row.items() if value is not None}
        found = {name: source if name in seen else None for name, source in SOURCES.items()}
        return found | ({BUSY_COLUMN: self._device.label} if self._device else {})

    def frame(self, start_monotonic_s: float) -> pd.DataFrame:
        """The samples, t_s counted from start_monotonic_s."""
        frame = pd.DataFrame(self._rows)
        if not frame.empty:
            frame["t_s"] -= start_monotonic_s
        return frame

    def _run(self) -> None:
        if sys.platform == "linux":
            # This thread alone gives way to the load generator, whose cores it runs on.
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)
        with ExitStack() as stack:
            gpu = stack.enter_context(self._gpu.readings()) if self._gpu else None
            while not self._stop.is_set():
                self._rows.append(self._sample(gpu))
                self._stop.wait(SAMPLE_EVERY_S)
            self._rows.append(self._sample(gpu))

    def _sample(self, gpu: GpuReadings | None) -> dict[str, Value]:
        row: dict[str, Value] = {"t_s": time.monotonic(), "study_cpu_s": time.process_time()}
        row |= self._core_times()
        for role, processes in self._watched.items():
            usage = processes.usage()
            row[f"{role}_cpu_s"] = usage.cpu_s if usage else None
            row[f"{role}_rss_bytes"] = usage.rss_bytes if usage else None
        row["cpu_pressure_s"] = pressure.cpu_pressure_s()
        if "server" in self._watched and len(self._rows) % READ_WAITS_EVERY == 0:
            row["server_wait_s"] = self._waits.total_s(self._watched["server"].pids)
        return row | (gpu.sample() if gpu else {}) | (self._device.sample() if self._device else {})

    def _core_times(self) -> dict[str, Value]:
        by_core = pressure.times_by_core() if self._cores else {}
        row: dict[str, Value] = {}
        for side, cores in self._cores.items():
            total = pressure.total_times(cores, by_core)
            if total:
                row |= {f"{side}_cores_{name}": value for name, value in asdict(total).items()}
        return row
