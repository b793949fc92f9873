"""What Linux says of the machine beside a trial: its cores, who waits for them, its pressure."""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_OF_A_CORE = re.compile(r"cpu\d")

SOURCES: Mapping[str, str] = {
    **{
        f"{side}_cores_{what}_s": f"/proc/stat, the {whose} cores"
        for side, whose in (("server", "server's"), ("load", "load generator's"))
        for what in ("busy", "idle", "irq", "steal")
    },
    "server_wait_s": "/proc/PID/task/TID/schedstat, process tree",
    "cpu_pressure_s": "/proc/pressure/cpu, some",
}


@dataclass(frozen=True)
class CoreTimes:
    """Seconds of some cores since the machine started: in programs, idle, in interrupts, and taken
    by other guests of the hypervisor."""

    busy_s: float
    idle_s: float
    irq_s: float
    steal_s: float


def times_by_core(proc: Path = PROC) -> dict[int, CoreTimes]:
    """Of each core that /proc/stat has; empty where there is no such file."""
    try:
        lines = (proc / "stat").read_text(encoding="ascii").splitlines()
        return dict(_times(line) for line in lines if _OF_A_CORE.match(line))
    except (OSError, ValueError):
        return {}


def _times(line: str) -> tuple[int, CoreTimes]:
    name, *ticks = line.split()
    user, nice, system, idle, iowait, irq, softirq, steal = (
        int(each) / TICKS_PER_S for each in ticks[:8]
    )
    times = CoreTimes(user + nice + system, idle + iowait, irq + softirq, steal)
    return int(name.removeprefix("cpu")), times


def total_times(cores: Sequence[int], by_core: Mapping[int, CoreTimes]) -> CoreTimes | None:
    """The sum over these cores; None where one of them is not known, or there is none."""
    if not cores or not by_core.keys() >= set(cores):
        return None
    of = [by_core[core] for core in cores]
    return CoreTimes(
        sum(each.busy_s for each in of),
        sum(each.idle_s for each in of),
        sum(each.irq_s for each in of),
        sum(each.steal_s for each in of),
    )


class RunQueueWaits:
    """How long the threads of processes have waited for a core."""

    def __init__(self, proc: Path = PROC) -> None:
        self._proc = proc
        self._waited_ns: dict[str, int] = {}

    def total_s(self, pids: Iterable[int]) -> float | None:
        """Over their threads, those seen before that have ended among them; None: not known."""
        for pid in pids:
            for path in self._proc.glob(f"{pid}/task/*/schedstat"):
                try:
                    _, waited_ns, _ = path.read_text(encoding="ascii").split()
                except (OSError, ValueError):  # it has just ended
                    continue
                self._waited_ns[path.parent.name] = int(waited_ns)
        return sum(self._waited_ns.values()) / 1e9 if self._waited_ns else None


def cpu_pressure_s(proc: Path = PROC) -> float | None:
    """How long any program of the machine has waited for a core; None where it is not kept."""
    try:
        some = (proc / "pressure/cpu").read_text(encoding="ascii").splitlines()[0]
    except (OSError, IndexError):
        return None
    return int(some.rpartition("total=")[2]) / 1e6
