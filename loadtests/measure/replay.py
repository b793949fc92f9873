"""One replay of a trial's schedule against a server that is ready: what was asked and consumed."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from loadtests.generator.schedule import Schedule
from loadtests.host.cores import disjoint
from loadtests.launch.server import CANARY_TEXT, RunningServer
from loadtests.measure.device_meter import device_meter
from loadtests.measure.locust_process import DriveError, slice_order
from loadtests.measure.machine import MachineWatch
from loadtests.measure.telemetry import Sampler, process_roles
from loadtests.plan.rounds import PlannedTrial
from loadtests.records.disturbance import foreign_shares
from loadtests.records.steady_state import steady_state, with_recovery
from loadtests.records.trials import ClockOffset, DeviceRecord, MachineState
from loadtests.spec.external import ExternalContender, is_loopback
from loadtests.wire.probe import open_probe, settled_counters

if TYPE_CHECKING:
    from loadtests.measure.tools import RunContext

SETTLE_WITHIN_S = 60.0


@dataclass(frozen=True)
class Attempt:
    """What one replay left. lag_p99_ms None: a closed loop, or nothing was sent; device None: the
    contender simulates none."""

    started_at: str
    rows: pd.DataFrame
    lag_p99_ms: float | None
    foreign_share: Mapping[str, float | None]
    machine: MachineState
    telemetry: pd.DataFrame
    telemetry_sources: Mapping[str, str | None]
    counters_before: Mapping[str, Any] | None
    counters_after: Mapping[str, Any] | None
    clock_offsets: Mapping[str, ClockOffset]
    device: DeviceRecord | None = None


def replay(
    trial: PlannedTrial, server: RunningServer, schedule: Schedule, context: "RunContext"
) -> Attempt:
    """Raises DriveError or ProbeError where the load generator or the server failed."""
    order = slice_order(
        server.address,
        trial.level,
        trial.load_phases,
        own_cores=disjoint(context.cores),
        timeout_s=context.experiment.load.request_timeout_s,
    )
    roles = process_roles(server.contender, server.pid, context.generator.pid)
    cores = _watched_cores(trial, context)
    _settle(server)
    started_at = context.tools.now().isoformat(timespec="seconds")
    before = settled_counters(server.address, SETTLE_WITHIN_S)
    idle = {name: pid for name, pid in context.residents.items() if pid != server.pid}
    device = device_meter(server)
    with (
        MachineWatch(idle, cores, context.probes_ms, context.speed) as watch,
        Sampler(roles, context.gpu, cores, device) as sampler,
    ):
        replayed = context.generator.replay(order, schedule)
    if not server.alive():
        raise DriveError("the server exited during the trial.", server.log_tail())
    if broken := server.broken():
        raise DriveError(broken, server.log_tail())
    after = settled_counters(server.address, SETTLE_WITHIN_S)
    rows = replayed.rows
    if trial.overload:
        rows["phase"] = with_recovery(rows, trial.phases)
    rows["n_tokens"] = [context.artefacts.texts[text_id].n_tokens for text_id in rows["text_id"]]
    samples = sampler.frame(replayed.start_monotonic_s)
    return Attempt(
        started_at,
        rows,
        steady_state(rows, trial.phases).send_lag_p99_ms if trial.level.mode == "open" else None,
        foreign_shares(
            *(samples, cores, order.warmup_s, order.duration_s, watch.state.idle_cpu_share)
        ),
        watch.state,
        samples,
        sampler.sources,
        before,
        after,
        replayed.clock_offsets,
        device.record() if device else None,
    )


def cores_of(trial: PlannedTrial, context: "RunContext") -> Mapping[str, tuple[int, ...]]:
    """The cores that the study gave to server and load generator."""
    if isinstance(trial.contender, ExternalContender):
        return {"load": context.cores["load"]}
    return context.cores


def work_folder(trial: PlannedTrial, context: "RunContext") -> Path:
    """The hidden folder that a trial writes to before it is finished."""
    return context.folder / "trials" / f".{trial.trial_id}"


def _watched_cores(trial: PlannedTrial, context: "RunContext") -> Mapping[str, tuple[int, ...]]:
    """The cores on which other programs can be told from the trial's own. A service that the study
    did not start may use the load generator's cores, where it runs on this machine."""
    here = isinstance(trial.contender, ExternalContender) and is_loopback(
        trial.contender.address.host
    )
    return {} if here else cores_of(trial, context)


def _settle(server: RunningServer) -> None:
    # A server that was overloaded still works off requests whose callers have gone; the next
    # trial, and the counters, must not start before it answers again.
    with open_probe(server.address, timeout_s=SETTLE_WITHIN_S) as probe:
        for _ in range(3):
            probe.predict(CANARY_TEXT)
