"""What the machine did around a slice, read before and after it, when nothing is loaded."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType

from loadtests.host.pressure import CoreTimes, cpu_pressure_s, times_by_core, total_times
from loadtests.host.process_trees import cpu_s_of_trees
from loadtests.host.speed import probe_ms
from loadtests.host.speed_sampler import SpeedSampler
from loadtests.records.disturbance import LEAST_COUNTED, usual_probe_ms
from loadtests.records.trials import MachineState


class MachineWatch:
    """Around a slice; state is known once it is left.

    residents: root pid of each contender that is resident and not loaded in this slice, by name.
    cores: those of "server" and "load" that are watched, as for the Sampler. earlier_probes_ms: of
    this run's slices before this one. speed: of the server's cores.
    Entering takes the 10 ms of the probe, and each of the two readings takes 4 ms (120 processes):
    all of it before or after the slice.
    """

    def __init__(
        self,
        residents: Mapping[str, int],
        cores: Mapping[str, Sequence[int]],
        earlier_probes_ms: Sequence[float] = (),
        speed: SpeedSampler | None = None,
    ) -> None:
        self.state = MachineState(usual_probe_ms=usual_probe_ms(earlier_probes_ms))
        self._residents = residents
        self._cores = cores
        self._speed = speed

    def __enter__(self) -> "MachineWatch":
        self._probe_ms = probe_ms(self._cores.get("server", ()))
        self._before = self._read()
        if self._speed:
            self._speed.restart()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        work_us = self._speed.work_us() if self._speed else {}
        before, after = self._before, self._read()
        length_s = after.at_s - before.at_s
        n_server = len(self._cores.get("server", ()))
        idle_cpu_s = _growth_s(before.cpu_s, after.cpu_s)
        self.state = MachineState(
            probe_ms=self._probe_ms,
            usual_probe_ms=self.state.usual_probe_ms,
            steal_share={
                side: _steal_share(cores, before, after) for side, cores in self._cores.items()
            },
            cpu_pressure_share=_pressure_share(before, after),
            idle_cpu_share=(
                sum(idle_cpu_s.values()) / (n_server * length_s)
                if idle_cpu_s and n_server
                else None
            ),
            idle_cpu_s=idle_cpu_s,
            work_us=work_us,
        )

    def _read(self) -> "_Reading":
        return _Reading(
            time.monotonic(), times_by_core(), cpu_pressure_s(), cpu_s_of_trees(self._residents)
        )


@dataclass(frozen=True)
class _Reading:
    at_s: float
    by_core: Mapping[int, CoreTimes]
    pressure_s: float | None
    cpu_s: Mapping[str, float]


def _growth_s(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    # A process that ended outside the sight of its parent takes its seconds with it.
    return {name: max(0.0, after[name] - was) for name, was in before.items() if name in after}


def _steal_share(cores: Sequence[int], before: _Reading, after: _Reading) -> float | None:
    first, last = total_times(cores, before.by_core), total_times(cores, after.by_core)
    if first is None or last is None:
        return None
    whole_s = len(cores) * (after.at_s - before.at_s)
    counted_s = sum(vars(last).values()) - sum(vars(first).values())
    # Where a sandbox makes the counters up, that none was taken is not known either.
    return (last.steal_s - first.steal_s) / whole_s if counted_s > LEAST_COUNTED * whole_s else None


def _pressure_share(before: _Reading, after: _Reading) -> float | None:
    if before.pressure_s is None or after.pressure_s is None:
        return None
    return (after.pressure_s - before.pressure_s) / (after.at_s - before.at_s)
